{{ config(materialized='table', post_hook="{{ stop_without_as_of() }}") }}
{% set given = given_as_of() %}
{% set dated = [
    ('transactions', 'transacted_at', 'events'),
    ('campaign_engagements', 'occurred_on', 'events'),
    ('digital_sessions', 'used_on', 'events'),
    ('product_holdings', 'opened_on', 'holdings'),
    ('customers', 'joined_on', 'customers'),
] %}

with dated_rows as (
    {% for name, column, kind in dated -%}
    {% set raw = received(name) -%}
    select
        '{{ kind }}' as kind,
        {{ to_date(raw, column) if column != 'transacted_at' else 'cast(' ~ to_timestamp(raw, column) ~ ' as date)' }} as day
    from ({{ received_rows(raw) }}) as received
    {% if given %}where false{% endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

days as (
    select
        kind,
        day,
        count(*) as row_count
    from dated_rows
    where day is not null
    group by kind, day
),

ordinary_days as (
    select
        kind,
        day,
        {{ is_ordinary_day('row_count', 'partition by kind') }} as is_ordinary
    from days
),

found as (
    select
        max(case when kind = 'events' and is_ordinary then day end) as events_on,
        max(case when kind = 'holdings' and is_ordinary then day end) as holdings_on,
        max(case when kind = 'customers' and is_ordinary then day end) as customers_on
    from ordinary_days
),

chosen as (
    select
        {% if given -%}
        cast('{{ given }}' as date) as as_of_on,
        'given' as as_of_method
        {%- else -%}
        coalesce(events_on, holdings_on, customers_on) as as_of_on,
        case
            when events_on is not null then 'latest day with an ordinary number of events'
            when holdings_on is not null then 'latest day with an ordinary number of holdings opened'
            else 'latest day with an ordinary number of customers joined'
        end as as_of_method
        {%- endif %}
    from found
),

final as (
    select
        as_of_on,
        as_of_method,
        cast({{ dbt.dateadd('day', -var('window_days'), 'as_of_on') }} as date) as window_starts_after
    from chosen
)

select * from final
