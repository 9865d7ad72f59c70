{{ config(meta={'rows_of_each': 'customer_id'}) }}

select customers.customer_id
from {{ ref('stg_customers') }} as customers
cross join {{ ref('as_of') }} as as_of
where not coalesce({{ is_minor('customers.birth_year', 'as_of.as_of_on') }}, false)
