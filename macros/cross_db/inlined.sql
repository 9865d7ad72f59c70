{% macro inlined() -%}
    {#- Between `as` and the bracket of a step that is read twice and too large to be kept: it is worked out each time. -#}
    {{- adapter.dispatch('inlined', 'segmart')() -}}
{%- endmacro %}
{% macro default__inlined() %}{% endmacro %}
{% macro duckdb__inlined() %}not materialized{% endmacro %}
