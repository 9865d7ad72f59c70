{{ config(materialized='view') }}

with members as (
    select * from {{ ref('customer_segments') }}
),

customers as (
    select
        customer_id,
        region
    from {{ ref('stg_customers') }}
),

final as (
    select
        members.segmentation,
        members.customer_id,
        members.segment_id,
        customers.region,
        engagement.impression_count,
        engagement.click_count,
        worth.is_active,
        worth.clv
    from members
    inner join customers on members.customer_id = customers.customer_id
    left join {{ ref('int_customer_engagement') }} as engagement on members.customer_id = engagement.customer_id
    left join {{ ref('customer_value') }} as worth on members.customer_id = worth.customer_id
)

select * from final
