{% macro ownership_rates() -%}
    {#- Over a row with customer_count, holder_count and buyer_count: who holds, and who bought in the window. -#}
    {{ ratio('holder_count', 'customer_count') }} as ownership_rate,
        {{ proportion_low('holder_count', 'customer_count') }} as ownership_rate_low,
        {{ proportion_high('holder_count', 'customer_count') }} as ownership_rate_high,
        {{ ratio('buyer_count', 'customer_count') }} as purchase_rate,
        {{ proportion_low('buyer_count', 'customer_count') }} as purchase_rate_low,
        {{ proportion_high('buyer_count', 'customer_count') }} as purchase_rate_high,
        {{ is_small_cell('customer_count', 'holder_count') }} as is_small_cell
{%- endmacro %}


{% macro holder_change(keys) -%}
    {#- Over a row per key and month with opened_count and closed_count: 1 where something is held at the month's end and
        was not before, -1 the other way round. Added up they count holders once, however their holdings overlap. -#}
    {%- set held = 'sum(opened_count - closed_count) over (partition by ' ~ keys ~ ' order by month_starts_on)' -%}
    case when {{ held }} > 0 then 1 else 0 end - case when {{ held }} > opened_count - closed_count then 1 else 0 end
{%- endmacro %}


{% macro month_end_counts(counted, months) -%}
    {#- Over the changes up to a month's end: who holds at it, and who bought in the month. -#}
    cast(coalesce(sum({{ counted }}.holder_change), 0) as bigint) as holder_count,
        cast(coalesce(sum(case
            when {{ counted }}.month_starts_on = {{ months }}.month_starts_on then {{ counted }}.buyer_count
        end), 0) as bigint) as buyer_count
{%- endmacro %}
