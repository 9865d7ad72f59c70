{% macro is_minor(birth_year, on_date) -%}
    {#- Younger than minimum_marketing_age in the year of the date; null where the birth year is unknown. -#}
    year({{ on_date }}) - {{ birth_year }} < {{ var('minimum_marketing_age') }}
{%- endmacro %}
