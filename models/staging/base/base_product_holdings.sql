{{ config(materialized='table', meta={'rows_of_each': 'customer_id', 'day': 'opened_on'}) }}
{% set raw = received('product_holdings') %}
{% set keys = {'holding_id': to_text(raw, 'holding_id')} %}

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
        {{ to_code(raw, 'product') }} as product,
        {{ to_date(raw, 'opened_on') }} as opened_on,
        {{ within(to_date(raw, 'closed_on'), to_date(raw, 'opened_on')) }} as closed_on
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['holding_id'],
            rules={
                'missing_customer_id': 'customer_id is null',
                'unknown_customer': 'customer_id is not null and known_customer_id is null',
                'missing_product': 'product is null',
                'bad_opened_on': 'opened_on is null',
                'future_date': 'opened_on > as_of.as_of_on',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, ['closed_on']) }} as blanked_columns
    from typed
    cross join {{ ref('as_of') }} as as_of
    left join customers on typed.customer_id = customers.known_customer_id
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        holding_id,
        customer_id,
        product,
        opened_on,
        closed_on,
        {{ row_status_columns() }}
    from decided
)

select * from final
