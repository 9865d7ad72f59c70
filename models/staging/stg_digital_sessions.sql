{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    customer_id,
    used_on,
    touchpoint,
    session_count,
    minutes
from {{ ref('base_digital_sessions') }}
where row_status = 'accepted'
