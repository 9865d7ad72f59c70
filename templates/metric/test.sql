-- A join that repeats customers would count more of them than the segment has.
select
    counted.segmentation,
    counted.segment_id,
    counted.NAME_customers,
    segments.entity_count
from {{ ref('NAME') }} as counted
inner join {{ ref('segments') }} as segments
    on counted.segmentation = segments.segmentation and counted.segment_id = segments.segment_id
where counted.NAME_customers > segments.entity_count
