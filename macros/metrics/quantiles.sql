{% macro quantile(expression, share) -%}
    {#- Sample quantile with linear interpolation (Hyndman and Fan, 1996, type 7). -#}
    percentile_cont({{ share }}) within group (order by cast({{ expression }} as double))
{%- endmacro %}


{% macro median_end(expression, sign) -%}
    {#- An end of the median's distribution-free interval: the order statistic whose rank a binomial count of values below
        the median passes with the level's probability, by the normal approximation rounded down, which keeps at least the
        level for every n up to 4,000. Null where n is too small for the level. Source: David and Nagaraja, Order
        Statistics, 3rd ed., 2003, sec. 7.1. -#}
    {%- set count = 'count(' ~ expression ~ ')' -%}
    {%- set rank = 'floor((' ~ count ~ ' + 1 - ' ~ interval_z() ~ ' * sqrt(' ~ count ~ ')) / 2)' -%}
    case
        when {{ rank }} >= 1
            then {{ order_statistic('cast(' ~ expression ~ ' as double)', rank if sign == '-' else count ~ ' + 1 - ' ~ rank) }}
    end
{%- endmacro %}
