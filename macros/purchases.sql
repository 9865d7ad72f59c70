{#- Purchase histories as BG/NBD and Gamma-Gamma read them (Fader, Hardie and Lee, Marketing Science 24, 2005):
    frequency, recency and age from the first purchase on, which is itself not counted. -#}

{% macro purchase_histories(until_on) %}
    {#- Of every customer with a purchase by a day; int_purchase_period stands beside the days as `period`. -#}
    {%- set is_repeated = 'days.purchased_on > days.first_purchased_on' %}
    {%- set is_last_year = 'days.purchased_on > ' ~ last_year_starts_after(until_on) %}
    select
        days.customer_id,
        min(days.first_purchased_on) as first_purchased_on,
        max(days.purchased_on) as last_purchased_on,
        count(case when {{ is_repeated }} then 1 end) as frequency,
        {{ dbt.datediff('min(days.first_purchased_on)', 'max(days.purchased_on)', 'day') }} as recency_days,
        {{ dbt.datediff('min(days.first_purchased_on)', 'max(' ~ until_on ~ ')', 'day') }} as age_days,
        avg(case when {{ is_repeated }} then days.margin_amount end) as mean_purchase_value,
        count(case when {{ is_last_year }} then 1 end) as last_year_purchase_count,
        coalesce(sum(case when {{ is_last_year }} then days.margin_amount end), 0) as last_year_amount,
        coalesce(sum(case when {{ is_last_year }} then {{ product_of('days.margin_amount', 'days.margin_amount') }} end), 0)
            as last_year_squared_amount
    from {{ ref('int_purchase_days') }} as days
    cross join {{ ref('int_purchase_period') }} as period
    where days.purchased_on <= {{ until_on }}
    group by days.customer_id
{%- endmacro %}


{% macro last_year_starts_after(until_on) -%}
    {#- The day before the 365 days up to a day, or before the data where these start later. -#}
    greatest(
            cast({{ dbt.dateadd('day', -365, until_on) }} as date),
            cast({{ dbt.dateadd('day', -1, 'period.data_starts_on') }} as date)
        )
{%- endmacro %}


{% macro last_year_days(until_on) -%}
    cast({{ dbt.datediff(last_year_starts_after(until_on), until_on, 'day') }} as double)
{%- endmacro %}


{% macro is_left_truncated(joined_on, data_starts_on) -%}
    {#- Joined before the first day of the data, or on an unknown day: purchases before it are not known, so the first one
        seen need not be the first. -#}
    coalesce({{ joined_on }} < {{ data_starts_on }}, true)
{%- endmacro %}
