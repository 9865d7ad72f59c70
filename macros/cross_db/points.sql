{#- Points as lists of coordinates, where engines differ: one function over two lists takes a fifth of the time of a
    sum that is written out, whose every difference, square and sum is a column of its own. -#}

{% macro point(coordinates) -%}
    {#- Expressions as one list; null coordinates are not allowed for. -#}
    {{- adapter.dispatch('point', 'segmart')(coordinates) -}}
{%- endmacro %}
{% macro default__point(coordinates) %}array({{ coordinates | join(', ') }}){% endmacro %}
{% macro duckdb__point(coordinates) %}list_value({{ coordinates | join(', ') }}){% endmacro %}


{% macro distance_between(first, second) -%}
    {#- The Euclidean distance of two points, summed in the order of their coordinates; null where one is null. -#}
    {{- adapter.dispatch('distance_between', 'segmart')(first, second) -}}
{%- endmacro %}
{% macro default__distance_between(first, second) -%}
    sqrt(aggregate(zip_with({{ first }}, {{ second }}, (x, y) -> (x - y) * (x - y)), cast(0 as double), (total, one) -> total + one))
{%- endmacro %}
{% macro duckdb__distance_between(first, second) %}list_distance({{ first }}, {{ second }}){% endmacro %}
