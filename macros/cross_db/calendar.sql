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


{% macro days_between(first_day, last_day) -%}
    {#- One row per day, from one to the other, as an item of a select list. -#}
    {{- adapter.dispatch('days_between', 'segmart')(first_day, last_day) -}}
{%- endmacro %}
{% macro default__days_between(first_day, last_day) -%}
    explode(sequence({{ first_day }}, {{ last_day }}, interval 1 day))
{%- endmacro %}
{% macro duckdb__days_between(first_day, last_day) -%}
    cast(unnest(generate_series({{ first_day }}, {{ last_day }}, interval 1 day)) as date)
{%- endmacro %}
