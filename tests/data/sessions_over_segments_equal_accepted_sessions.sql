with accepted as (
    select
        members.segmentation,
        sessions.touchpoint,
        sum(sessions.session_count) as session_count
    from {{ ref('stg_digital_sessions') }} as sessions
    inner join {{ ref('segment_members') }} as members
        on sessions.customer_id = members.entity_id and members.grain = 'customer'
    cross join {{ ref('as_of') }} as as_of
    where sessions.used_on > {{ dbt.dateadd('day', -var('window_days'), 'as_of.as_of_on') }}
    group by members.segmentation, sessions.touchpoint
),

over_segments as (
    select
        segmentation,
        touchpoint,
        sum(session_count) as session_count
    from {{ ref('segment_digital_usage') }}
    group by segmentation, touchpoint
)

select
    coalesce(accepted.segmentation, over_segments.segmentation) as segmentation,
    coalesce(accepted.touchpoint, over_segments.touchpoint) as touchpoint,
    accepted.session_count as accepted_session_count,
    over_segments.session_count
from accepted
full outer join over_segments
    on accepted.segmentation = over_segments.segmentation and accepted.touchpoint = over_segments.touchpoint
where coalesce(accepted.session_count, 0) <> coalesce(over_segments.session_count, 0)
