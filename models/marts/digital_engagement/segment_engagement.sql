with customers as (
    select
        members.segmentation,
        members.segment_id,
        engagement.impression_count,
        engagement.openable_impression_count,
        engagement.open_count,
        engagement.click_count,
        engagement.conversion_count
    from {{ ref('int_customer_engagement') }} as engagement
    inner join {{ ref('customer_segments') }} as members on engagement.customer_id = members.customer_id
),

reached as (
    select count(*) as customer_count from {{ ref('int_customer_engagement') }}
),

cells as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        segments.entity_count as customer_count
    from {{ ref('segments') }} as segments
    inner join reached on reached.customer_count > 0
    where segments.grain = 'customer'
),

summed as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.customer_count,
        {{ engagement_sums() }}
    from cells
    left join customers
        on
            cells.segmentation = customers.segmentation
            and cells.segment_id = customers.segment_id
    group by
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.customer_count
),

moments as (
    select
        segmentation,
        segment_id,
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
)

select * from final
