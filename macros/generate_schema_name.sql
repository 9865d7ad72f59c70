{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- Schemas are called what they are called, without the target's prefix. -#}
    {{- custom_schema_name or target.schema -}}
{%- endmacro %}
