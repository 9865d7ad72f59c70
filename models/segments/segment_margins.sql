-- Of the publish before, too: by how much margins jitter from one to the next is seen in those who stayed.
with dates as (
    select
        margins.segmentation,
        max(margins.as_of_on) as earlier_as_of_on
    from {{ source('state', 'segment_margins') }} as margins
    cross join {{ ref('as_of') }} as as_of
    where margins.as_of_on < as_of.as_of_on
    group by margins.segmentation
),

final as (
    select margins.*
    from {{ source('state', 'segment_margins') }} as margins
    inner join dates
        on margins.segmentation = dates.segmentation and margins.as_of_on = dates.earlier_as_of_on
    union all
    select
        members.segmentation,
        members.entity_id,
        as_of.as_of_on,
        members.segment_id,
        members.second_segment_id,
        members.distance,
        members.second_distance
    from {{ ref('segment_members') }} as members
    cross join {{ ref('as_of') }} as as_of
    where members.second_distance is not null
)

select * from final
