select
    customer_id,
    attribute,
    attribute_value
from {{ ref('base_customer_attributes') }}
where row_status = 'accepted'
