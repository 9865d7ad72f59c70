-- The campaigns that a row covers, and whether any moved what the segments were made from.
with covered as (
    select
        gains.segmentation,
        gains.outcome,
        gains.campaign_id,
        max(case when moved.is_outcome_in_segments then 1 else 0 end) = 1 as is_outcome_in_segments
    from {{ ref('segmentation_value_gains') }} as gains
    inner join {{ ref('segmentation_value_gains') }} as parts
        on
            gains.segmentation = parts.segmentation
            and gains.outcome = parts.outcome
            and coalesce(gains.campaign_id, parts.campaign_id) = parts.campaign_id
    left join {{ ref('int_campaign_moved_outcomes') }} as moved
        on
            parts.segmentation = moved.segmentation
            and parts.campaign_id = moved.campaign_id
            and moved.outcome = case parts.outcome when 'conversion' then 'conversion' else 'revenue' end
    group by gains.segmentation, gains.outcome, gains.campaign_id
),

final as (
    select
        gains.segmentation,
        gains.outcome,
        gains.is_all_campaigns,
        gains.campaign_id,
        cast(gains.campaign_count as bigint) as campaign_count,
        cast(gains.segment_count as bigint) as segment_count,
        cast(gains.customer_count as bigint) as customer_count,
        {{ worth_in_words() }} as worth,
        {{ with_ends('gains', ['gain', 'random_gain', 'gain_over_random']) }},
        {{ names_where({
            'same_action_everywhere': 'gains.gain_low is null',
            'same_action_in_random_segments': 'gains.random_gain_low is null',
            'same_actions_as_random_segments': 'gains.gain_over_random_low is null',
        }) }} as null_reasons,
        gains.addressed_share,
        gains.one_action_share,
        covered.is_outcome_in_segments,
        cast(gains.split_count as bigint) as split_count,
        gains.method
    from {{ ref('segmentation_value_gains') }} as gains
    inner join covered
        on
            gains.segmentation = covered.segmentation
            and gains.outcome = covered.outcome
            and coalesce(gains.campaign_id, '') = coalesce(covered.campaign_id, '')
)

select * from final
