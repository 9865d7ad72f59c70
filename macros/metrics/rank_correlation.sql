{% macro average_rank(expression, partition) -%}
    {#- Rank with ties given their mean rank, for Spearman's correlation: corr() of two such ranks. Both windows have the same
        order, so that one sort serves both. -#}
    {%- set order = 'partition by ' ~ partition ~ ' order by ' ~ expression -%}
    (
        rank() over ({{ order }})
        + (count(*) over ({{ order }} range between current row and current row) - 1) / 2.0
    )
{%- endmacro %}


{% macro correlation(left, right) -%}
    {#- Pearson's correlation; null, not NaN, where one of the two does not vary. -#}
    case when stddev_pop({{ left }}) > 0 and stddev_pop({{ right }}) > 0 then corr({{ left }}, {{ right }}) end
{%- endmacro %}


{% macro rank_correlation_bound(correlation, n, sign) -%}
    {#- An end of the interval of Spearman's correlation by Fisher's transformation. Source: Bonett and Wright,
        Psychometrika 65, 2000, eq. 7. -#}
    case
        when abs({{ correlation }}) < 1 and {{ n }} > 3
            then tanh(atanh({{ correlation }}) {{ sign }} {{ interval_z() | trim }}
                * sqrt((1 + {{ correlation }} * {{ correlation }} / 2) / ({{ n }} - 3)))
    end
{%- endmacro %}


{% macro rank_correlation_p(correlation, n) -%}
    {#- Two-sided p of no rank correlation, by Fisher's transformation with the variance that holds there, 1.06 over
        n - 3; 0 where the ranks agree or oppose each other fully. Source: Fieller, Hartley, Pearson, Biometrika 44, 1957. -#}
    case
        when abs({{ correlation }}) >= 1 then 0e0
        when {{ n }} > 3 then {{ two_sided_p('(atanh(' ~ correlation ~ ') * sqrt((' ~ n ~ ' - 3) / 1.06e0))') }}
    end
{%- endmacro %}
