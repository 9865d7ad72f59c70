{% test segment_exists(model) %}

select distinct
    cells.segmentation,
    cells.segment_id
from {{ model }} as cells
left join {{ ref('segments') }} as segments
    on cells.segmentation = segments.segmentation and cells.segment_id = segments.segment_id
where segments.segment_id is null

{% endtest %}
