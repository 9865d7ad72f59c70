{{ config(materialized='table', meta={'rows_of_each': 'customer_id', 'day': 'used_on'}) }}
{% set raw = received('digital_sessions') %}
{% set keys = {
    'customer_id': to_text(raw, 'customer_id'),
    'used_on': to_date(raw, 'used_on'),
    'touchpoint': to_code(raw, 'touchpoint'),
} %}

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
        {{ to_integer(raw, 'session_count') }} as session_count,
        {{ within(to_decimal(raw, 'minutes'), 0) }} as minutes
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['customer_id', 'touchpoint'],
            rules={
                'bad_used_on': 'used_on is null',
                'unknown_customer': 'customer_id is not null and known_customer_id is null',
                'future_date': 'used_on > as_of.as_of_on',
                'bad_session_count': 'session_count is null',
                'negative_session_count': 'session_count < 0',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, ['minutes']) }} as blanked_columns
    from typed
    cross join {{ ref('as_of') }} as as_of
    left join customers on typed.customer_id = customers.known_customer_id
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        customer_id,
        used_on,
        touchpoint,
        session_count,
        minutes,
        {{ row_status_columns() }}
    from decided
)

select * from final
