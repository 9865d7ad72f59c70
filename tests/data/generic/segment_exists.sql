{% test segment_exists(model) %}

with cells as (
    select * from {{ model }}
)

select distinct
    cells.segmentation,
    cells.segment_id
from cells
left join {{ ref('segments') }} as segments
    on cells.segmentation = segments.segmentation and cells.segment_id = segments.segment_id
where segments.segment_id is null

{% endtest %}
