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
        'purchase_amount' as outcome,
        purchase_amount as outcome_value,
        purchase_amount_before as value_before
    from outcomes
),

final as (
    select
        members.segmentation,
        case when scopes.is_all_customers then 0 else members.segment_id end as segment_id,
        long_outcomes.*
    from long_outcomes
    inner join {{ ref('customer_segments') }} as members on long_outcomes.customer_id = members.customer_id
    cross join scopes
)

select * from final
