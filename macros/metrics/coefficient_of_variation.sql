{% macro coefficient_of_variation(n, sum_x, sum_xx) -%}
    {#- Sample standard deviation over the mean; null where the mean is zero. -#}
    sqrt({{ sample_variance(n, sum_x, sum_xx) }}) / nullif({{ ratio(sum_x, n) }}, 0)
{%- endmacro %}
