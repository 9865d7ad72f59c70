{{ config(schema='intermediate') }}

with estimates as (
    select
        *,
        segmentation || ': ' || campaign_id || ': ' || outcome
        || case when segment_id = 0 then ', all customers' else '' end as family
    from {{ ref('int_campaign_estimates') }}
),

adjusted as (
    {{ adjusted_p('p', 'family', 'estimates') }}
),

joined as (
    select
        adjusted.segmentation,
        adjusted.segment_id,
        adjusted.campaign_id,
        adjusted.outcome,
        adjusted.effect_status,
        adjusted.treated_mean,
        adjusted.holdout_mean,
        adjusted.is_small_cell,
        adjusted.variance_reduction,
        {{ with_ends('adjusted', ['unadjusted_effect', 'itt_effect', 'relative_effect']) }},
        adjusted.itt_error,
        adjusted.p,
        adjusted.adjusted_p,
        adjusted.family,
        cells.treated_count,
        cells.reached_count,
        cells.holdout_count,
        cells.contaminated_holdout_count,
        cells.both_arms_count,
        cells.joined_after_count,
        cells.platform_conversion_count,
        cells.campaign_cost,
        pooling.heterogeneity_statistic,
        pooling.heterogeneity_freedom,
        pooling.heterogeneity_p,
        {{ with_ends('pooling', ['effect_spread', 'pooled_effect']) }},
        adjusted.segment_id > 0 and coalesce(moved.is_outcome_in_segments, false) as is_outcome_in_segments,
        {{ smallest_effect('adjusted.outcome') }} as smallest_difference
    from adjusted
    inner join {{ ref('int_campaign_cells') }} as cells
        on
            adjusted.segmentation = cells.segmentation
            and adjusted.segment_id = cells.segment_id
            and adjusted.campaign_id = cells.campaign_id
    left join {{ ref('campaign_effect_pooling') }} as pooling
        on
            adjusted.segmentation = pooling.segmentation
            and adjusted.segment_id = pooling.segment_id
            and adjusted.campaign_id = pooling.campaign_id
            and adjusted.outcome = pooling.outcome
    left join {{ ref('int_campaign_moved_outcomes') }} as moved
        on
            adjusted.segmentation = moved.segmentation
            and adjusted.campaign_id = moved.campaign_id
            and adjusted.outcome = moved.outcome
),

powered as (
    select
        *,
        {{ power_for('smallest_difference', 'itt_error') }} as power,
        {{ detectable_difference('itt_error') }} as detectable_effect,
        {{ incremental_cost_reason() }} as cost_reason
    from joined
),

final as (
    select
        *,
        {{ incremental_cost('itt_effect') }} as cost_per_incremental_conversion,
        {{ incremental_cost('itt_effect_high') }} as cost_per_incremental_conversion_low,
        {{ incremental_cost('itt_effect_low') }} as cost_per_incremental_conversion_high,
        {{ effect_null_reasons() }} as null_reasons
    from powered
)

select * from final
