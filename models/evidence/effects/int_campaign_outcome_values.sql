{{ config(schema='intermediate', materialized='view') }}

with outcomes as (
    select * from {{ ref('int_campaign_outcomes') }}
),

scopes as (
    select false as is_all_customers
    union all
    select true as is_all_customers
),

long_outcomes as (
    select
        campaign_id,
        customer_id,
        arm,
        'conversion' as outcome,
        has_opened as outcome_value,
        has_held_before as value_before
    from outcomes
    union all
    select
        campaign_id,
        customer_id,
        arm,
        'revenue' as outcome,
        revenue as outcome_value,
        revenue_before as value_before
    from outcomes
),

final as (
    select
        members.segmentation,
        case when scopes.is_all_customers then 0 else members.segment_id end as segment_id,
        long_outcomes.campaign_id,
        long_outcomes.customer_id,
        long_outcomes.arm,
        long_outcomes.outcome,
        long_outcomes.outcome_value,
        -- What nobody knew before the start adjusts nothing.
        coalesce(long_outcomes.value_before, 0e0) as value_before
    from long_outcomes
    inner join {{ ref('customer_segments') }} as members on long_outcomes.customer_id = members.customer_id
    cross join scopes
)

select * from final
