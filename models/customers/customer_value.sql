with histories as (
    select * from {{ ref('int_customer_purchases') }}
),

scores as (
    select * from {{ ref('customer_value_scores') }}
),

activity as (
    select * from {{ ref('int_customer_activity') }}
),

final as (
    select
        histories.customer_id,
        histories.first_purchased_on,
        histories.last_purchased_on,
        cast(histories.frequency as bigint) as frequency,
        cast(histories.recency_days as bigint) as recency_days,
        cast(histories.age_days as bigint) as age_days,
        histories.mean_purchase_value,
        cast(histories.last_year_purchase_count as bigint) as last_year_purchase_count,
        histories.last_year_amount,
        histories.is_left_truncated,
        activity.last_activity_on,
        not {{ is_churned('activity.last_activity_on', 'as_of.as_of_on') }} as is_active,
        {{ with_ends('scores', ['probability_active']) }},
        {{ with_ends('scores', value_figures()) }},
        scores.basis,
        scores.transactions_baseline,
        scores.revenue_baseline,
        scores.interval_method,
        scores.reason
    from histories
    inner join scores on histories.customer_id = scores.customer_id
    inner join activity on histories.customer_id = activity.customer_id
    cross join {{ ref('as_of') }} as as_of
)

select * from final
