{{ config(schema='intermediate', contract={'enforced': false}) }}

-- How much nearer one centre is than the next, at two publishes, between the same two segments; negative where the
-- nearer one is now the other.
with margins as (
    select
        margins.*,
        margins.second_distance - margins.distance as border_distance,
        margins.as_of_on = as_of.as_of_on as is_now
    from {{ ref('segment_margins') }} as margins
    cross join {{ ref('as_of') }} as as_of
),

changes as (
    select
        earlier.segmentation,
        abs(
            case when now.segment_id = earlier.segment_id then 1 else -1 end * now.border_distance
            - earlier.border_distance
        ) as size
    from margins as earlier
    inner join margins as now
        on earlier.segmentation = now.segmentation and earlier.entity_id = now.entity_id
    where
        not earlier.is_now
        and now.is_now
        and (
            (now.segment_id = earlier.segment_id and now.second_segment_id = earlier.second_segment_id)
            or (now.segment_id = earlier.second_segment_id and now.second_segment_id = earlier.segment_id)
        )
),

-- What an entity lacks to be moved: its distance from the border, and what holds it back beyond.
lacking as (
    select
        margins.segmentation,
        margins.segment_id as from_segment_id,
        margins.second_segment_id as to_segment_id,
        margins.border_distance + {{ var('assignment_hysteresis') }} * margins.distance as size
    from margins
    inner join {{ ref('segment_members') }} as members
        on margins.segmentation = members.segmentation and margins.entity_id = members.entity_id
    where not margins.is_now
),

ordered as (
    select
        segmentation,
        from_segment_id,
        to_segment_id,
        sum(case when from_segment_id is null then 1 else 0 end) over (
            partition by segmentation order by size desc
        ) as as_large_count,
        sum(case when from_segment_id is null then 1 else 0 end) over (partition by segmentation) as change_count
    from (
        select * from lacking
        union all
        select
            segmentation,
            null as from_segment_id,
            null as to_segment_id,
            size
        from changes
    ) as sizes
),

-- Jitter goes either way alike: half of the changes as large go towards the border.
chances as (
    select
        segmentation,
        from_segment_id,
        to_segment_id,
        {{ ratio('as_large_count', 'change_count') }} / 2 as chance
    from ordered
    where from_segment_id is not null
),

final as (
    select
        segmentation,
        from_segment_id,
        to_segment_id,
        sum(chance) as expected_count,
        sum(chance * (1 - chance)) as expected_variance
    from chances
    group by segmentation, from_segment_id, to_segment_id
)

select * from final
