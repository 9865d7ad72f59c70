{{ config(schema='intermediate') }}

with customers as (
    select distinct entity_id from {{ ref('int_noise_members') }}
),

products as (
    select distinct product from {{ ref('int_customer_products') }}
),

engagement as (
    select engagement.*
    from {{ ref('int_customer_engagement') }} as engagement
    inner join customers on engagement.customer_id = customers.entity_id
),

overall as (
    select
        customer_id as entity_id,
        'ctr' as outcome,
        {{ ratio('click_count', 'impression_count') }} as outcome_value,
        false as is_binary
    from engagement
),

conversions as (
    select
        customer_id as entity_id,
        'converted' as outcome,
        case when conversion_count > 0 then 1e0 else 0e0 end as outcome_value,
        true as is_binary
    from engagement
    where conversion_count is not null
),

channels as (
    select
        entity_id,
        'ctr ' || channel as outcome,
        {{ ratio('click_count', 'impression_count') }} as outcome_value,
        false as is_binary
    from {{ ref('int_noise_channel_outcomes') }}
),

purchases as (
    select
        customers.entity_id,
        'bought ' || products.product as outcome,
        case when holdings.is_bought_in_window then 1e0 else 0e0 end as outcome_value,
        true as is_binary
    from customers
    cross join products
    left join {{ ref('int_customer_products') }} as holdings
        on customers.entity_id = holdings.customer_id and products.product = holdings.product
),

final as (
    select * from overall
    union all
    select * from conversions
    union all
    select * from channels
    union all
    select * from purchases
)

select * from final
