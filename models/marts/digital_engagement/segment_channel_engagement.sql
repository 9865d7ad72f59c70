with customers as (
    select
        members.segmentation,
        members.segment_id,
        engagement.channel,
        engagement.impression_count,
        engagement.openable_impression_count,
        engagement.open_count,
        engagement.click_count,
        engagement.conversion_count
    from {{ ref('int_customer_channel_engagement') }} as engagement
    inner join {{ ref('customer_segments') }} as members on engagement.customer_id = members.customer_id
),

channels as (
    select distinct channel from {{ ref('int_customer_channel_engagement') }}
),

cells as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        channels.channel,
        segments.entity_count as customer_count
    from {{ ref('segments') }} as segments
    cross join channels
    where segments.grain = 'customer'
),

summed as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.channel,
        cells.customer_count,
        {{ engagement_sums() }}
    from cells
    left join customers
        on
            cells.segmentation = customers.segmentation
            and cells.segment_id = customers.segment_id
            and cells.channel = customers.channel
    group by
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.channel,
        cells.customer_count
),

moments as (
    select
        segmentation,
        segment_id,
        channel,
        {{ engagement_moments() }}
    from summed
),

final as (
    select
        summed.*,
        {{ engagement_rates() }}
    from summed
    inner join moments
        on
            summed.segmentation = moments.segmentation
            and summed.segment_id = moments.segment_id
            and summed.channel = moments.channel
)

select * from final
