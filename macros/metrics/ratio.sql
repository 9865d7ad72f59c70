{% macro ratio(numerator, denominator) -%}
    {#- A ratio of two sums, as double; null where the denominator is zero. -#}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}
