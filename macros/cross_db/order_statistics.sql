{#- Order statistics where engines differ. -#}

{% macro in_order(expression) -%}
    {#- The values as an ascending list, as an aggregate; nulls are left out. -#}
    {{- adapter.dispatch('in_order', 'segmart')(expression) -}}
{%- endmacro %}
{% macro default__in_order(expression) %}sort_array(collect_list({{ expression }})){% endmacro %}
{% macro duckdb__in_order(expression) %}list_sort(list({{ expression }}) filter (where {{ expression }} is not null)){% endmacro %}


{% macro quartiles(expression) -%}
    {#- The three quartiles (Hyndman and Fan, 1996, type 7) as an ascending list, as one aggregate: three would keep and
        sort all values three times. -#}
    {{- adapter.dispatch('quartiles', 'segmart')('cast(' ~ expression ~ ' as double)') -}}
{%- endmacro %}
{% macro default__quartiles(expression) %}percentile({{ expression }}, array(0.25, 0.5, 0.75)){% endmacro %}
{% macro duckdb__quartiles(expression) %}quantile_cont({{ expression }}, [0.25, 0.5, 0.75]){% endmacro %}


{% macro value_at(values, rank) -%}
    {#- Of an ascending list, the value of a rank, 1 for the least; null beyond its ends. -#}
    {{- adapter.dispatch('value_at', 'segmart')(values, rank) -}}
{%- endmacro %}
{% macro default__value_at(values, rank) %}try_element_at({{ values }}, cast({{ rank }} as int)){% endmacro %}
{% macro duckdb__value_at(values, rank) %}list_extract({{ values }}, cast({{ rank }} as bigint)){% endmacro %}
