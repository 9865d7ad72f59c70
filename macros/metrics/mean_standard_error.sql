{% macro mean_standard_error(n, sum_x, sum_xx) -%}
    {#- Standard error of a mean from n, the sum and the sum of squares (sample variance, n - 1). -#}
    sqrt({{ sample_variance(n, sum_x, sum_xx) }} / nullif(cast({{ n }} as double), 0))
{%- endmacro %}


{% macro sample_variance(n, sum_x, sum_xx) -%}
    {{ not_negative('cast(' ~ sum_xx ~ ' as double) - cast(' ~ sum_x ~ ' as double) * cast(' ~ sum_x ~ ' as double) / nullif(' ~ n ~ ', 0)') }}
        / nullif({{ n }} - 1, 0)
{%- endmacro %}


{% macro not_negative(expression) -%}
    {#- Zero for what rounding made negative; null stays null, which greatest() would pass over. -#}
    (case when {{ expression }} < 0 then 0 else {{ expression }} end)
{%- endmacro %}


{% macro mean_with_interval(name, n, sum_x, sum_xx, sum_xxx, maximum=none) -%}
    {#- Three columns: a mean over n customers, from its sums, and its interval, not below zero. -#}
    {%- set mean = ratio(sum_x, n) -%}
    {%- set error = mean_standard_error(n, sum_x, sum_xx) -%}
    {%- set cumulant = mean_third_cumulant(n, sum_x, sum_xx, sum_xxx) -%}
    {{ mean }} as {{ name }},
        {{ skewed_low(mean, error, cumulant, minimum=0) }} as {{ name }}_low,
        {{ skewed_high(mean, error, cumulant, maximum=maximum) }} as {{ name }}_high
{%- endmacro %}
