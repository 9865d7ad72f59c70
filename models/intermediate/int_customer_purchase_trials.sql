{{ config(meta={'rows_of_each': 'customer_id'}) }}

with histories as (
    {{ purchase_histories('period.trained_until_on') | indent(4) }}
),

held_out as (
    select
        days.customer_id,
        count(*) as held_out_purchase_count,
        sum(days.margin_amount) as held_out_amount
    from {{ ref('int_purchase_days') }} as days
    inner join {{ ref('int_purchase_period') }} as period on days.purchased_on > period.trained_until_on
    group by days.customer_id
),

final as (
    select
        histories.customer_id,
        {{ is_left_truncated('customers.joined_on', 'period.data_starts_on') }} as is_left_truncated,
        histories.frequency,
        histories.recency_days,
        histories.age_days,
        histories.mean_purchase_value,
        histories.last_year_purchase_count,
        histories.last_year_amount,
        coalesce(held_out.held_out_purchase_count, 0) as held_out_purchase_count,
        coalesce(held_out.held_out_amount, 0e0) as held_out_amount
    from histories
    inner join {{ ref('stg_customers') }} as customers on histories.customer_id = customers.customer_id
    cross join {{ ref('int_purchase_period') }} as period
    left join held_out on histories.customer_id = held_out.customer_id
)

select * from final
