{% test row_count_equals(model, compare_model) %}

with counted as (
    select
        (select count(*) from {{ model }}) as row_count,
        (select count(*) from {{ compare_model }}) as compared_row_count
)

select
    row_count,
    compared_row_count
from counted
where row_count <> compared_row_count

{% endtest %}
