{{ config(materialized='table') }}
{% set raw = received('card_accounts') %}
{% set keys = {'cust_id': to_text(raw, 'cust_id')} %}
{% set amounts = [
    'balance', 'purchases', 'oneoff_purchases', 'installments_purchases', 'cash_advance',
    'credit_limit', 'payments', 'minimum_payments',
] %}
{% set shares = [
    'balance_frequency', 'purchases_frequency', 'oneoff_purchases_frequency',
    'purchases_installments_frequency', 'cash_advance_frequency', 'prc_full_payment',
] %}
{% set counts = ['cash_advance_trx', 'purchases_trx', 'tenure'] %}

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
        {{ to_text(raw, 'customer_id') }} as owner_id,
        {% for column in amounts -%}
        {{ within(to_decimal(raw, column, scale=6), 0) }} as {{ column }},
        {% endfor -%}
        {% for column in shares -%}
        {{ within(to_double(raw, column), 0, 1.5 if column == 'cash_advance_frequency' else 1) }} as {{ column }},
        {% endfor -%}
        {% for column in counts -%}
        {{ within(to_integer(raw, column), 0) }} as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from received
),

with_owner as {{ inlined() }} (
    select
        typed.*,
        customers.known_customer_id as customer_id
    from typed
    left join customers on typed.owner_id = customers.known_customer_id
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(keys=['cust_id'], rules={}) }} as broken_rules,
        {{ blanked_columns(raw, ['customer_id'] + amounts + shares + counts) }} as blanked_columns
    from with_owner
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        cust_id,
        customer_id,
        {% for column in amounts + shares + counts -%}
        {{ column }},
        {% endfor -%}
        {{ row_status_columns() }}
    from decided
)

select * from final
