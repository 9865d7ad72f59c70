-- One publish adds what changed since the one before. A build of an earlier date than others that were published says
-- anew what changed at the next of them.
with published as (
    select * from {{ source('state', 'segment_history') }}
),

members as (
    select * from {{ ref('segment_members') }}
),

dates as (
    select
        running.segmentation,
        as_of.as_of_on,
        min(case when versions.as_of_on > as_of.as_of_on then versions.as_of_on end) as next_on
    from (select distinct segmentation from members) as running
    cross join {{ ref('as_of') }} as as_of
    left join {{ source('state', 'segment_versions') }} as versions on running.segmentation = versions.segmentation
    group by running.segmentation, as_of.as_of_on
),

next_points as (
    select
        published.*,
        dates.next_on,
        row_number() over (
            partition by published.segmentation, published.entity_id order by published.valid_from desc
        ) as nth_latest
    from published
    inner join dates on published.segmentation = dates.segmentation
    where published.valid_from <= dates.next_on
),

next_members as (
    select * from next_points
    where nth_latest = 1
),

earlier_members as (
    select earlier.* from {{ ref('earlier_segment_members') }} as earlier
    inner join dates on earlier.segmentation = dates.segmentation
),

final as (
    select
        published.segmentation,
        published.grain,
        published.entity_id,
        published.valid_from,
        published.segment_id,
        published.fit_id
    from published
    left join dates on published.segmentation = dates.segmentation
    where
        dates.segmentation is null
        or (
            published.valid_from <> dates.as_of_on
            and (dates.next_on is null or published.valid_from <> dates.next_on)
        )
    union all
    {{ changed_members('earlier_members', 'members', 'as_of_on') }}
    union all
    {{ changed_members('members', 'next_members', 'next_on') }}
)

select * from final
