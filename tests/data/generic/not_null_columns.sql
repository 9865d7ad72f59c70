{% test not_null_columns(model, columns) %}

with counted as (
    select
        {%- for column in columns %}
        count(*) - count({{ column }}) as null_count_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
)

{% for column in columns %}
select
    '{{ column }}' as column_name,
    null_count_{{ loop.index }} as null_count
from counted
where null_count_{{ loop.index }} > 0
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
