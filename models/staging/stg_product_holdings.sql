{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    holding_id,
    customer_id,
    product,
    opened_on,
    closed_on
from {{ ref('base_product_holdings') }}
where row_status = 'accepted'
