{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    customer_id,
    transaction_type,
    cast(date_trunc('month', transacted_on) as date) as month_starts_on,
    count(*) as transaction_count,
    cast(sum(amount) as decimal(18, 2)) as total_amount
from {{ ref('stg_transactions') }}
group by customer_id, transaction_type, cast(date_trunc('month', transacted_on) as date)
