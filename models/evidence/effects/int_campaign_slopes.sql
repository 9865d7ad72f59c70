{{ config(schema='intermediate') }}

with arms as (
    select
        segmentation,
        segment_id,
        campaign_id,
        outcome,
        arm,
        count(*) as customer_count,
        sum(value_before) as sum_x,
        sum(value_before * value_before) as sum_xx,
        sum(value_before * value_before) - sum(value_before) * sum(value_before) / count(*) as spread_x,
        sum(value_before * outcome_value) - sum(value_before) * sum(outcome_value) / count(*) as spread_xy
    from {{ ref('int_campaign_outcome_values') }}
    group by segmentation, segment_id, campaign_id, outcome, arm
),

-- Within groups, so that the effect itself is no part of the slope.
final as (
    select
        segmentation,
        segment_id,
        campaign_id,
        outcome,
        sum(sum_x) / nullif(sum(customer_count), 0) as mean_before,
        {{ mean_standard_error('sum(customer_count)', 'sum(sum_x)', 'sum(sum_xx)') }} as mean_before_error,
        coalesce(sum(spread_xy) / nullif(sum(spread_x), 0), 0) as slope_before
    from arms
    group by segmentation, segment_id, campaign_id, outcome
)

select * from final
