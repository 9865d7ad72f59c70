{{ config(schema='intermediate', materialized='view') }}

with customers as (
    select distinct entity_id from {{ ref('int_noise_members') }}
),

final as (
    select
        customers.entity_id,
        engagement.channel,
        engagement.impression_count,
        engagement.click_count
    from {{ ref('int_customer_channel_engagement') }} as engagement
    inner join customers on engagement.customer_id = customers.entity_id
    where engagement.click_count is not null
)

select * from final
