{#- What an interval without skewness is made from, as columns of a step of its own: written out in place, each would be
    repeated dozens of times, and the text of a mart be so long that an engine reads it longer than it runs it. -#}

{% macro ratio_moments(name, customers, sum_y, sum_x, sum_yy, sum_xx, sum_xy, sum_yyy, sum_yyx, sum_yxx, sum_xxx) -%}
    {{ ratio(sum_y, sum_x) }} as {{ name }}_estimate,
        {{ ratio_standard_error(customers, sum_y, sum_x, sum_yy, sum_xx, sum_xy) }} as {{ name }}_error,
        {{ ratio_third_cumulant(sum_y, sum_x, sum_yyy, sum_yyx, sum_yxx, sum_xxx) }} as {{ name }}_cumulant,
        {{ ratio_error_covariance(sum_y, sum_x, sum_yy, sum_xx, sum_xy) }} as {{ name }}_covariance
{%- endmacro %}


{% macro mean_moments(name, n, sum_x, sum_xx, sum_xxx) -%}
    {{ ratio(sum_x, n) }} as {{ name }}_estimate,
        {{ mean_standard_error(n, sum_x, sum_xx) }} as {{ name }}_error,
        {{ mean_third_cumulant(n, sum_x, sum_xx, sum_xxx) }} as {{ name }}_cumulant,
        cast(0 as double) as {{ name }}_covariance
{%- endmacro %}


{% macro interval_of_moments(name, minimum, maximum=none) -%}
    {%- set moments = [name ~ '_estimate', name ~ '_error', name ~ '_cumulant', name ~ '_covariance'] -%}
    {{ moments[0] }} as {{ name }},
        {{ skewed_low(moments[0], moments[1], moments[2], moments[3], minimum) }} as {{ name }}_low,
        {{ skewed_high(moments[0], moments[1], moments[2], moments[3], maximum) }} as {{ name }}_high
{%- endmacro %}
