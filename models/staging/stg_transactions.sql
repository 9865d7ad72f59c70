{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    transaction_id,
    customer_id,
    transacted_at,
    transacted_on,
    transaction_type,
    amount,
    category,
    is_constructed
from {{ ref('base_transactions') }}
where row_status = 'accepted'
