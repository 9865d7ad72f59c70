{#- Order statistics where engines differ. -#}

{% macro order_statistic(expression, rank) -%}
    {#- The value of a rank, 1 for the least, as an aggregate; nulls are left out. -#}
    {{- adapter.dispatch('order_statistic', 'segmart')(expression, rank) -}}
{%- endmacro %}
{% macro default__order_statistic(expression, rank) -%}
    element_at(sort_array(collect_list({{ expression }})), cast({{ rank }} as int))
{%- endmacro %}
{% macro duckdb__order_statistic(expression, rank) -%}
    list_extract(list_sort(list({{ expression }}) filter (where {{ expression }} is not null)), cast({{ rank }} as bigint))
{%- endmacro %}
