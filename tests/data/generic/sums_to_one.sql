{% test sums_to_one(model, column, by) %}

select
    {{ by | join(',\n    ') }},
    sum({{ column }}) as column_sum
from {{ model }}
group by {{ by | join(', ') }}
having abs(sum({{ column }}) - 1) > 1e-9

{% endtest %}
