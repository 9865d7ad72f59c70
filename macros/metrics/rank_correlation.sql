{% macro average_rank(expression, partition) -%}
    {#- Rank with ties given their mean rank, for Spearman's correlation: corr() of two such ranks. -#}
    (
        rank() over (partition by {{ partition }} order by {{ expression }})
        + (count(*) over (partition by {{ partition }}, {{ expression }}) - 1) / 2.0
    )
{%- endmacro %}


{% macro correlation(left, right) -%}
    {#- Pearson's correlation; null, not NaN, where one of the two does not vary. -#}
    case when stddev_pop({{ left }}) > 0 and stddev_pop({{ right }}) > 0 then corr({{ left }}, {{ right }}) end
{%- endmacro %}
