{{ config(schema='intermediate') }}

with cells as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.campaign_id,
        checks.outcome,
        case
            when checks.outcome_status <> 'measured' then checks.outcome_status
            when least(cells.treated_count, cells.holdout_count) < 2 then 'one_arm'
            else 'measured'
        end as effect_status
    from {{ ref('int_campaign_cells') }} as cells
    inner join {{ ref('int_campaign_outcome_checks') }} as checks on cells.campaign_id = checks.campaign_id
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

final as (
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
        {{ means_ratio('treated', 'holdout') }} as mean_ratio,
        {{ log_means_ratio_error('treated', 'holdout', 'slopes.slope_before * slopes.mean_before_error') }} as log_mean_ratio_error
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
    left join {{ ref('int_campaign_slopes') }} as slopes
        on
            cells.segmentation = slopes.segmentation
            and cells.segment_id = slopes.segment_id
            and cells.campaign_id = slopes.campaign_id
            and cells.outcome = slopes.outcome
)

select * from final
