{{ config(meta={'rows_of_each': 'customer_id'}) }}

with histories as (
    {{ purchase_histories('period.as_of_on') | indent(4) }}
),

final as (
    select
        customers.customer_id,
        {{ is_left_truncated('customers.joined_on', 'period.data_starts_on') }} as is_left_truncated,
        histories.first_purchased_on,
        histories.last_purchased_on,
        histories.frequency,
        histories.recency_days,
        histories.age_days,
        histories.mean_purchase_value,
        coalesce(histories.last_year_purchase_count, 0) as last_year_purchase_count,
        coalesce(histories.last_year_amount, 0e0) as last_year_amount,
        coalesce(histories.last_year_squared_amount, 0e0) as last_year_squared_amount
    from {{ ref('stg_customers') }} as customers
    cross join {{ ref('int_purchase_period') }} as period
    left join histories on customers.customer_id = histories.customer_id
)

select * from final
