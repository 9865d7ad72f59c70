{% test in_range(model, columns, min=none, max=none) %}

{#- A range without an end would pass whatever the column holds. -#}
{% if min is none and max is none %}
    {{ exceptions.raise_compiler_error('in_range on ' ~ model.identifier ~ ' has neither min nor max; give one.') }}
{% endif %}

with extremes as (
    select
        {%- for column in columns %}
        min({{ column }}) as least_{{ loop.index }},
        max({{ column }}) as greatest_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
)

{% for column in columns %}
select
    '{{ column }}' as column_name,
    cast(least_{{ loop.index }} as double) as least_value,
    cast(greatest_{{ loop.index }} as double) as greatest_value
from extremes
where
    {% if min is not none %}least_{{ loop.index }} < {{ min }}{% endif %}
    {%- if min is not none and max is not none %} or {% endif %}
    {%- if max is not none %}greatest_{{ loop.index }} > {{ max }}{% endif %}
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
