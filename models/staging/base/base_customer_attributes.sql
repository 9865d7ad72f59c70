{{ config(materialized='table') }}
{% set raw = received('customer_attributes') %}
{% set keys = {'customer_id': to_text(raw, 'customer_id'), 'attribute': to_code(raw, 'attribute')} %}

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
        {{ to_text(raw, 'value') }} as attribute_value
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['customer_id', 'attribute'],
            rules={
                'unknown_customer': 'customer_id is not null and known_customer_id is null',
                'missing_value': 'attribute_value is null',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, []) }} as blanked_columns
    from typed
    left join customers on typed.customer_id = customers.known_customer_id
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        customer_id,
        attribute,
        attribute_value,
        {{ row_status_columns() }}
    from decided
)

select * from final
