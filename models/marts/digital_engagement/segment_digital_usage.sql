with touchpoints as (
    select distinct touchpoint from {{ ref('int_customer_touchpoints') }}
),

customer_touchpoints as (
    select
        members.segmentation,
        members.segment_id,
        usage.touchpoint,
        usage.session_count,
        usage.minutes
    from {{ ref('int_customer_touchpoints') }} as usage
    inner join {{ ref('customer_segments') }} as members on usage.customer_id = members.customer_id
),

summed as (
    select
        segmentation,
        segment_id,
        touchpoint,
        count(*) as user_count,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(minutes) as decimal(38, 2)) as minutes,
        sum({{ product_of('session_count', 'session_count') }}) as sessions_squared,
        sum({{ product_of('minutes', 'minutes') }}) as minutes_squared,
        sum({{ product_of(product_of('session_count', 'session_count'), 'session_count') }}) as sessions_cubed,
        sum({{ product_of(product_of('minutes', 'minutes'), 'minutes') }}) as minutes_cubed
    from customer_touchpoints
    group by segmentation, segment_id, touchpoint
),

cells as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        touchpoints.touchpoint,
        segments.entity_count as customer_count,
        coalesce(summed.user_count, 0) as user_count,
        coalesce(summed.session_count, 0) as session_count,
        coalesce(summed.minutes, 0) as minutes,
        coalesce(summed.sessions_squared, 0) as sessions_squared,
        coalesce(summed.minutes_squared, 0) as minutes_squared,
        coalesce(summed.sessions_cubed, 0) as sessions_cubed,
        coalesce(summed.minutes_cubed, 0) as minutes_cubed
    from {{ ref('segments') }} as segments
    cross join touchpoints
    left join summed
        on
            segments.segmentation = summed.segmentation
            and segments.segment_id = summed.segment_id
            and touchpoints.touchpoint = summed.touchpoint
    where segments.grain = 'customer'
),

final as (
    select
        *,
        {{ ratio('user_count', 'customer_count') }} as usage_rate,
        {{ proportion_low('user_count', 'customer_count') }} as usage_rate_low,
        {{ proportion_high('user_count', 'customer_count') }} as usage_rate_high,
        {{ mean_with_interval('sessions_per_customer', 'customer_count', 'session_count', 'sessions_squared', 'sessions_cubed') }},
        {{ mean_with_interval('minutes_per_customer', 'customer_count', 'minutes', 'minutes_squared', 'minutes_cubed') }},
        {{ is_small_cell('customer_count', 'user_count') }} as is_small_cell
    from cells
)

select * from final
