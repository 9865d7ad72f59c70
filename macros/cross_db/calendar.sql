{#- Days and months where engines differ. -#}

{% macro months_between(first_month, last_month) -%}
    {#- One row per first day of a month, from one to the other, as an item of a select list. -#}
    {{- adapter.dispatch('months_between', 'segmart')(first_month, last_month) -}}
{%- endmacro %}
{% macro default__months_between(first_month, last_month) -%}
    explode(sequence({{ first_month }}, {{ last_month }}, interval 1 month))
{%- endmacro %}
{% macro duckdb__months_between(first_month, last_month) -%}
    cast(unnest(generate_series({{ first_month }}, {{ last_month }}, interval 1 month)) as date)
{%- endmacro %}
