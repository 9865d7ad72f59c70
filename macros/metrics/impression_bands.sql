{#- CTR by band of impressions, each from sums over customers. -#}

{% macro band_sums(name, numerator, denominator) -%}
    {#- Over one row per customer: how many have a denominator, the two sums, their squares and product. -#}
    count(case when {{ denominator }} > 0 then 1 end) as {{ name }}_n,
        sum({{ numerator }}) as {{ name }}_y,
        sum({{ denominator }}) as {{ name }}_x,
        sum({{ numerator }} * {{ numerator }}) as {{ name }}_yy,
        sum({{ denominator }} * {{ denominator }}) as {{ name }}_xx,
        sum({{ numerator }} * {{ denominator }}) as {{ name }}_xy
{%- endmacro %}


{% macro band_ratio(column, name, scale='1', maximum=none) -%}
    {#- Three columns: a ratio of band_sums times `scale`, taken as known, and its interval, not below zero. -#}
    {%- set estimate = scale ~ ' * ' ~ ratio(name ~ '_y', name ~ '_x') -%}
    {%- set error = scale ~ ' * ' ~ ratio_standard_error(
        name ~ '_n', name ~ '_y', name ~ '_x', name ~ '_yy', name ~ '_xx', name ~ '_xy') -%}
    {{ estimate }} as {{ column }},
        {{ interval_low(estimate, error, 0) }} as {{ column }}_low,
        {{ interval_high(estimate, error, maximum) }} as {{ column }}_high
{%- endmacro %}


{% macro band_log_error(name) -%}
    {{ log_ratio_error(name ~ '_y', name ~ '_x', name ~ '_yy', name ~ '_xx', name ~ '_xy') }}
{%- endmacro %}


{% macro band_log_ratio(column, name, scale) -%}
    {#- As band_ratio, with the interval on the log scale: numerator and denominator are both counts of clicks. -#}
    {%- set estimate = scale ~ ' * ' ~ ratio(name ~ '_y', name ~ '_x') -%}
    {{ estimate }} as {{ column }},
        {{ log_low(estimate, band_log_error(name)) }} as {{ column }}_low,
        {{ log_high(estimate, band_log_error(name)) }} as {{ column }}_high
{%- endmacro %}
