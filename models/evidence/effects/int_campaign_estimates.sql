{{ config(schema='intermediate') }}

with outcomes as (
    select 'conversion' as outcome
    union all
    select 'purchase_amount' as outcome
),

cells as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.campaign_id,
        outcomes.outcome,
        case
            when checks.campaign_status <> 'measured' then checks.campaign_status
            when outcomes.outcome = 'conversion' and checks.product is null then 'no_product'
            when least(cells.treated_count, cells.holdout_count) < 2 then 'one_arm'
            else 'measured'
        end as effect_status
    from {{ ref('int_campaign_cells') }} as cells
    inner join {{ ref('int_campaign_checks') }} as checks on cells.campaign_id = checks.campaign_id
    cross join outcomes
),

arms as (
    select
        *,
        {{ ratio('sum_z', 'customer_count') }} as adjusted_mean,
        {{ ratio('sum_y', 'customer_count') }} as mean_value,
        {{ mean_standard_error('customer_count', 'sum_y', 'sum_yy') }} as mean_error,
        {{ mean_standard_error('customer_count', 'sum_z', 'sum_zz') }} as adjusted_error,
        {{ mean_third_cumulant('customer_count', 'sum_y', 'sum_yy', 'sum_yyy') }} as third_cumulant,
        {{ mean_third_cumulant('customer_count', 'sum_z', 'sum_zz', 'sum_zzz') }} as adjusted_cumulant
    from {{ ref('int_campaign_arm_sums') }}
),

compared as (
    select
        cells.*,
        treated.mean_value as treated_mean,
        holdout.mean_value as holdout_mean,
        {{ is_small_cell('treated.customer_count + holdout.customer_count', 'treated.event_count + holdout.event_count') }}
        or {{ rests_on_few('(treated.sum_y + holdout.sum_y)', '(treated.sum_yy + holdout.sum_yy)') }} as is_small_cell,
        treated.mean_value - holdout.mean_value as unadjusted_effect,
        treated.adjusted_mean - holdout.adjusted_mean as itt_effect,
        {{ difference_standard_error('treated.mean_error', 'holdout.mean_error') }} as unadjusted_error,
        {{ difference_standard_error('treated.adjusted_error', 'holdout.adjusted_error') }} as adjusted_error,
        {{ pooled_proportions_error('treated.sum_y', 'treated.customer_count', 'holdout.sum_y', 'holdout.customer_count') }} as pooled_error,
        treated.third_cumulant - holdout.third_cumulant as third_cumulant,
        treated.adjusted_cumulant - holdout.adjusted_cumulant as adjusted_cumulant,
        {{ group_difference_low('treated.customer_count', 'treated.sum_y', 'holdout.customer_count', 'holdout.sum_y') }} as newcombe_low,
        {{ group_difference_high('treated.customer_count', 'treated.sum_y', 'holdout.customer_count', 'holdout.sum_y') }} as newcombe_high,
        sqrt(
            power(treated.mean_error / nullif(treated.mean_value, 0), 2)
            + power(holdout.mean_error / nullif(holdout.mean_value, 0), 2)
        ) as log_ratio_error
    from cells
    left join arms as treated
        on
            cells.segmentation = treated.segmentation
            and cells.segment_id = treated.segment_id
            and cells.campaign_id = treated.campaign_id
            and cells.outcome = treated.outcome
            and treated.arm = 'treated'
            and cells.effect_status = 'measured'
    left join arms as holdout
        on
            cells.segmentation = holdout.segmentation
            and cells.segment_id = holdout.segment_id
            and cells.campaign_id = holdout.campaign_id
            and cells.outcome = holdout.outcome
            and holdout.arm = 'holdout'
            and cells.effect_status = 'measured'
),

-- Both errors are 0 where nothing varies, and then nothing is reduced.
reduced as (
    select
        *,
        case
            when unadjusted_error = 0 then 1e0
            else power(adjusted_error, 2) / nullif(power(unadjusted_error, 2), 0)
        end as variance_left
    from compared
),

final as (
    select
        segmentation,
        segment_id,
        campaign_id,
        outcome,
        effect_status,
        treated_mean,
        holdout_mean,
        coalesce(is_small_cell, true) as is_small_cell,
        1 - variance_left as variance_reduction,
        unadjusted_effect,
        case
            when outcome = 'conversion' then newcombe_low
            else {{ skewed_low('unadjusted_effect', 'unadjusted_error', 'third_cumulant') }}
        end as unadjusted_effect_low,
        case
            when outcome = 'conversion' then newcombe_high
            else {{ skewed_high('unadjusted_effect', 'unadjusted_error', 'third_cumulant') }}
        end as unadjusted_effect_high,
        itt_effect,
        case when outcome = 'conversion' then pooled_error * sqrt(variance_left) else adjusted_error end as itt_error,
        -- Newcombe's interval reaches as far as variance is left.
        case
            when outcome = 'conversion' then itt_effect - (unadjusted_effect - newcombe_low) * sqrt(variance_left)
            else {{ skewed_low('itt_effect', 'adjusted_error', 'adjusted_cumulant') }}
        end as itt_effect_low,
        case
            when outcome = 'conversion' then itt_effect + (newcombe_high - unadjusted_effect) * sqrt(variance_left)
            else {{ skewed_high('itt_effect', 'adjusted_error', 'adjusted_cumulant') }}
        end as itt_effect_high,
        case
            when coalesce(is_small_cell, true) then null
            when outcome = 'conversion' then {{ difference_p('itt_effect', '(pooled_error * sqrt(variance_left))') }}
            else {{ two_sided_p(skewness_removed('itt_effect', 'adjusted_error', 'adjusted_cumulant')) }}
        end as p,
        case when holdout_mean > 0 and holdout_mean + itt_effect > 0 then itt_effect / holdout_mean end as relative_effect,
        log_ratio_error * sqrt(variance_left) as log_ratio_error
    from reduced
)

select * from final
