{{ config(materialized='table', meta={'rows_of_each': 'customer_id', 'day': 'transacted_on'}) }}
{% set raw = received('transactions') %}
{% set keys = {'transaction_id': to_text(raw, 'transaction_id')} %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

customers as (
    select customer_id as known_customer_id from {{ ref('stg_customers') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_text(raw, 'customer_id') }} as customer_id,
        {{ to_timestamp(raw, 'transacted_at') }} as transacted_at,
        {{ to_code(raw, 'transaction_type') }} as transaction_type,
        {{ to_decimal(raw, 'amount') }} as amount,
        {{ to_code(raw, 'category') }} as category,
        {{ to_boolean(raw, 'is_constructed') }} as is_constructed
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['transaction_id'],
            rules={
                'missing_customer_id': 'customer_id is null',
                'unknown_customer': 'customer_id is not null and known_customer_id is null',
                'bad_transacted_at': 'transacted_at is null',
                'future_date': 'cast(transacted_at as date) > as_of.as_of_on',
                'missing_transaction_type': 'transaction_type is null',
                'bad_amount': 'amount is null',
                'amount_not_positive': 'amount <= 0',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, ['is_constructed']) }} as blanked_columns
    from typed
    cross join {{ ref('as_of') }} as as_of
    left join customers on typed.customer_id = customers.known_customer_id
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        transaction_id,
        customer_id,
        transacted_at,
        cast(transacted_at as date) as transacted_on,
        transaction_type,
        amount,
        category,
        coalesce(is_constructed, false) as is_constructed,
        {{ row_status_columns() }}
    from decided
)

select * from final
