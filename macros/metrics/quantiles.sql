{% macro quantile(expression, share) -%}
    {#- Sample quantile with linear interpolation (Hyndman and Fan, 1996, type 7). -#}
    percentile_cont({{ share }}) within group (order by cast({{ expression }} as double))
{%- endmacro %}
