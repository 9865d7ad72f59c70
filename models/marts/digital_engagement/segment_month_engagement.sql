with customers as (
    select
        members.segmentation,
        members.segment_id,
        engagement.month_starts_on,
        engagement.impression_count,
        engagement.openable_impression_count,
        engagement.open_count,
        engagement.click_count,
        engagement.conversion_count
    from {{ ref('int_customer_month_engagement') }} as engagement
    inner join {{ ref('customer_segments') }} as members on engagement.customer_id = members.customer_id
),

summed as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.month_starts_on,
        cells.customer_count,
        {{ engagement_sums() }}
    from {{ ref('int_segment_months') }} as cells
    left join customers
        on
            cells.segmentation = customers.segmentation
            and cells.segment_id = customers.segment_id
            and cells.month_starts_on = customers.month_starts_on
    group by
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.month_starts_on,
        cells.customer_count
),

-- Before the first impression nobody knows whether there were any.
first_reached as (
    select min(month_starts_on) as month_starts_on from summed
    where reached_customer_count > 0
),

moments as (
    select
        segmentation,
        segment_id,
        month_starts_on,
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
            and summed.month_starts_on = moments.month_starts_on
    inner join first_reached on summed.month_starts_on >= first_reached.month_starts_on
)

select * from final
