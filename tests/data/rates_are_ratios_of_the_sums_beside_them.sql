{% set rates = [
    ('segment_engagement', 'ctr', 'click_count', 'impression_count'),
    ('segment_engagement', 'mean_customer_ctr', 'customer_ctr_sum', 'reached_customer_count'),
    ('segment_engagement', 'open_rate', 'open_count', 'openable_impression_count'),
    ('segment_engagement', 'conversion_rate', 'converted_customer_count', 'reached_customer_count'),
    ('segment_channel_engagement', 'ctr', 'click_count', 'impression_count'),
    ('segment_channel_engagement', 'mean_customer_ctr', 'customer_ctr_sum', 'reached_customer_count'),
    ('segment_channel_engagement', 'open_rate', 'open_count', 'openable_impression_count'),
    ('segment_channel_engagement', 'conversion_rate', 'converted_customer_count', 'reached_customer_count'),
    ('segment_month_engagement', 'ctr', 'click_count', 'impression_count'),
    ('segment_month_engagement', 'mean_customer_ctr', 'customer_ctr_sum', 'reached_customer_count'),
    ('segment_month_engagement', 'open_rate', 'open_count', 'openable_impression_count'),
    ('segment_month_engagement', 'conversion_rate', 'converted_customer_count', 'reached_customer_count'),
    ('segment_product_ownership', 'ownership_rate', 'holder_count', 'customer_count'),
    ('segment_product_ownership', 'purchase_rate', 'buyer_count', 'customer_count'),
    ('segment_month_ownership', 'ownership_rate', 'holder_count', 'customer_count'),
    ('segment_month_ownership', 'purchase_rate', 'buyer_count', 'customer_count'),
    ('segment_month_product_ownership', 'ownership_rate', 'holder_count', 'customer_count'),
    ('segment_month_product_ownership', 'purchase_rate', 'buyer_count', 'customer_count'),
    ('segment_digital_usage', 'usage_rate', 'user_count', 'customer_count'),
    ('segment_digital_usage', 'sessions_per_customer', 'session_count', 'customer_count'),
    ('segment_digital_usage', 'minutes_per_customer', 'minutes', 'customer_count'),
    ('segment_transactions', 'transactions_per_customer', 'transaction_count', 'customer_count'),
    ('segment_transactions', 'amount_per_customer', 'total_amount', 'customer_count'),
    ('segment_transactions', 'amount_per_active_customer', 'total_amount', 'active_customer_count'),
    ('segment_transactions', 'amount_per_transaction', 'total_amount', 'transaction_count'),
] %}

with stored as (
    {% for mart, rate, numerator, denominator in rates %}
    select
        '{{ mart }}.{{ rate }}' as rate_name,
        segmentation,
        segment_id,
        {{ rate }} as rate,
        case when {{ denominator }} <> 0 then cast({{ numerator }} as double) / {{ denominator }} end as ratio
    from {{ ref(mart) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select *
from stored
where
    (rate is null) <> (ratio is null)
    or abs(rate - ratio) > 1e-9 * (1 + abs(ratio))
