{{ config(meta={'rows_of_each': 'customer_id'}) }}

with activities as (
    select
        customer_id,
        joined_on as active_on
    from {{ ref('stg_customers') }}
    union all
    select
        customer_id,
        last_active_on as active_on
    from {{ ref('int_customer_active_months') }}
),

final as (
    select
        customer_id,
        max(active_on) as last_activity_on
    from activities
    group by customer_id
)

select * from final
