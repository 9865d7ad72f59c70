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
    {%- set rank = median_end_rank(count) -%}
    case
        when {{ rank }} >= 1
            then {{ value_at(in_order('cast(' ~ expression ~ ' as double)'), rank if sign == '-' else count ~ ' + 1 - ' ~ rank) }}
    end
{%- endmacro %}


{% macro median_end_rank(count) -%}
    floor(({{ count }} + 1 - {{ interval_z() }} * sqrt({{ count }})) / 2)
{%- endmacro %}


{% macro value_after_zeros(values, rank, zeros) -%}
    {#- The value of a rank among an ascending list of positive values and so many zeros. -#}
    case when {{ rank }} <= {{ zeros }} then 0 else {{ value_at(values, '(' ~ rank ~ ' - (' ~ zeros ~ '))') }} end
{%- endmacro %}


{% macro quantile_in_order(values, count, share, zeros) -%}
    {#- quantile() of an ascending list of positive values and so many zeros, of `count` in all. -#}
    {%- set place = '((' ~ count ~ ' - 1) * ' ~ share ~ 'e0 + 1)' -%}
    {%- set below = value_after_zeros(values, 'floor(' ~ place ~ ')', zeros) -%}
    {%- set above = value_after_zeros(values, 'ceil(' ~ place ~ ')', zeros) -%}
    case when {{ count }} > 0 then ({{ below }}) + ({{ place }} - floor({{ place }})) * (({{ above }}) - ({{ below }})) end
{%- endmacro %}


{% macro median_end_in_order(values, count, sign, zeros) -%}
    {#- median_end() of an ascending list of positive values and so many zeros, of `count` in all. -#}
    {%- set rank = median_end_rank(count) -%}
    case
        when {{ rank }} >= 1
            then {{ value_after_zeros(values, rank if sign == '-' else '(' ~ count ~ ' + 1 - ' ~ rank ~ ')', zeros) }}
    end
{%- endmacro %}
