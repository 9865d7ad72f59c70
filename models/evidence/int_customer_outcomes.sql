{{ config(schema='intermediate') }}

with numbered as (
    select
        customer_id,
        row_number() over (order by md5(customer_id), customer_id) as draw_number
    from {{ ref('stg_customers') }}
),

-- Permuting more customers tells nothing more about chance.
sampled as (
    select customer_id from numbered
    where draw_number <= {{ var('noise_customer_limit') }}
),

products as (
    select distinct product from {{ ref('int_customer_products') }}
),

engagement as (
    select engagement.*
    from {{ ref('int_customer_engagement') }} as engagement
    inner join sampled on engagement.customer_id = sampled.customer_id
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
        engagement.customer_id as entity_id,
        'ctr ' || engagement.channel as outcome,
        {{ ratio('engagement.click_count', 'engagement.impression_count') }} as outcome_value,
        false as is_binary
    from {{ ref('int_customer_channel_engagement') }} as engagement
    inner join sampled on engagement.customer_id = sampled.customer_id
),

purchases as (
    select
        customers.customer_id as entity_id,
        'bought ' || products.product as outcome,
        case when holdings.is_bought_in_window then 1e0 else 0e0 end as outcome_value,
        true as is_binary
    from sampled as customers
    cross join products
    left join {{ ref('int_customer_products') }} as holdings
        on customers.customer_id = holdings.customer_id and products.product = holdings.product
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
