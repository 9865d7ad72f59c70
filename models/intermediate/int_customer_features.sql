{{ config(meta={'rows_of_each': 'customer_id'}) }}

with customers as (
    select * from {{ ref('stg_customers') }}
),

transactions as (
    select * from {{ ref('int_customer_transactions') }}
),

transaction_types as (
    select
        customer_id,
        sum(transaction_count) as transaction_count,
        {% for type in ['deposit', 'withdrawal'] -%}
        sum(case when transaction_type = '{{ type }}' then transaction_count end) as {{ type }}_count,
        sum(case when transaction_type = '{{ type }}' then total_amount end) as {{ type }}_amount,
        max(case when transaction_type = '{{ type }}' then median_amount end) as {{ type }}_median_amount{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_customer_transaction_types') }}
    group by customer_id
),

digital as (
    select
        customer_id,
        sum(session_count) as digital_session_count,
        sum(minutes) as digital_minutes
    from {{ ref('int_customer_touchpoints') }}
    group by customer_id
),

products as (
    select
        customer_id,
        count(*) as product_count
    from {{ ref('int_customer_products') }}
    where is_held
    group by customer_id
),

final as (
    select
        customers.customer_id,
        customers.gender,
        customers.marital_status,
        customers.education,
        customers.job,
        customers.region,
        customers.joined_on,
        year(as_of.as_of_on) - customers.birth_year as age_years,
        {{ dbt.datediff('customers.joined_on', 'as_of.as_of_on', 'day') }} as tenure_days,
        customers.monthly_income,
        customers.account_balance,
        customers.loyalty_score,
        cast(coalesce(transaction_types.transaction_count, 0) as bigint) as transaction_count,
        coalesce(transactions.transaction_days, 0) as transaction_days,
        {{ dbt.datediff('transactions.last_transacted_on', 'as_of.as_of_on', 'day') }} as days_since_transaction,
        {% for type in ['deposit', 'withdrawal'] -%}
        cast(coalesce(transaction_types.{{ type }}_count, 0) as bigint) as {{ type }}_count,
        cast(coalesce(transaction_types.{{ type }}_amount, 0) as decimal(18, 2)) as {{ type }}_amount,
        {{ ratio('transaction_types.' ~ type ~ '_amount', 'transaction_types.' ~ type ~ '_count') }} as {{ type }}_mean_amount,
        transaction_types.{{ type }}_median_amount,
        {% endfor -%}
        cast(coalesce(digital.digital_session_count, 0) as bigint) as digital_session_count,
        cast(coalesce(digital.digital_minutes, 0) as decimal(18, 2)) as digital_minutes,
        coalesce(products.product_count, 0) as product_count
    from customers
    cross join {{ ref('as_of') }} as as_of
    left join transactions on customers.customer_id = transactions.customer_id
    left join transaction_types on customers.customer_id = transaction_types.customer_id
    left join digital on customers.customer_id = digital.customer_id
    left join products on customers.customer_id = products.customer_id
)

select * from final
