{% macro whole_number(expression) -%}
    {#- A whole number of at least 1 from text; null for anything else. -#}
    case when {{ matches(trimmed(expression), '0*[1-9][0-9]{0,8}') }} then cast({{ trimmed(expression) }} as bigint) end
{%- endmacro %}
