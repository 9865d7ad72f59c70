{% test in_order(model, chains) %}

{%- set pairs = [] %}
{%- for chain in chains %}
{%- for item in chain[:-1] %}
{%- do pairs.append([item, chain[loop.index]]) %}
{%- endfor %}
{%- endfor %}

with counted as (
    select
        {%- for lower, upper in pairs %}
        count(case when {{ lower }} > {{ upper }} then 1 end) as violation_count_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
)

{% for lower, upper in pairs %}
select
    '{{ lower }} <= {{ upper }}' as claim,
    violation_count_{{ loop.index }} as violation_count
from counted
where violation_count_{{ loop.index }} > 0
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
