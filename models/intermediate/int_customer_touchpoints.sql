{{ config(meta={'rows_of_each': 'customer_id'}) }}

with window_sessions as (
    select sessions.*
    from {{ ref('stg_digital_sessions') }} as sessions
    inner join {{ ref('as_of') }} as as_of on sessions.used_on > as_of.window_starts_after
),

final as (
    select
        customer_id,
        touchpoint,
        cast(sum(session_count) as bigint) as session_count,
        cast(coalesce(sum(minutes), 0) as decimal(18, 2)) as minutes
    from window_sessions
    group by customer_id, touchpoint
    having sum(session_count) > 0 or sum(minutes) > 0
)

select * from final
