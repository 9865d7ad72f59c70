with members as (
    select
        segmentation,
        segment_id,
        count(distinct entity_id) as member_count
    from {{ ref('segment_members') }}
    group by segmentation, segment_id
)

select
    coalesce(segments.segmentation, members.segmentation) as segmentation,
    coalesce(segments.segment_id, members.segment_id) as segment_id,
    segments.entity_count,
    members.member_count
from {{ ref('segments') }} as segments
full outer join members
    on segments.segmentation = members.segmentation and segments.segment_id = members.segment_id
where coalesce(segments.entity_count, -1) <> coalesce(members.member_count, 0)
