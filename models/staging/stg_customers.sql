{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    customer_id,
    joined_on,
    birth_year,
    gender,
    marital_status,
    education,
    job,
    region,
    monthly_income,
    account_balance,
    loyalty_score,
    marketing_consent,
    consent_changed_at,
    updated_at
from {{ ref('base_customers') }}
where row_status = 'accepted'
