{{ config(schema='intermediate') }}

with customers as (
    select
        outcomes.*,
        outcomes.outcome_value - slopes.slope_before * (outcomes.value_before - slopes.mean_before) as adjusted_value
    from {{ ref('int_campaign_outcome_values') }} as outcomes
    inner join {{ ref('int_campaign_slopes') }} as slopes
        on
            outcomes.segmentation = slopes.segmentation
            and outcomes.segment_id = slopes.segment_id
            and outcomes.campaign_id = slopes.campaign_id
            and outcomes.outcome = slopes.outcome
),

final as (
    select
        segmentation,
        segment_id,
        campaign_id,
        outcome,
        arm,
        count(*) as customer_count,
        count(case when outcome_value > 0 then 1 end) as event_count,
        sum(outcome_value) as sum_y,
        sum(power(outcome_value, 2)) as sum_yy,
        sum(power(outcome_value, 3)) as sum_yyy,
        sum(adjusted_value) as sum_z,
        sum(power(adjusted_value, 2)) as sum_zz,
        sum(power(adjusted_value, 3)) as sum_zzz
    from customers
    group by segmentation, segment_id, campaign_id, outcome, arm
)

select * from final
