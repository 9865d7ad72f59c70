with last_month as (
    select cast(date_trunc('month', as_of_on) as date) as month_starts_on from {{ ref('as_of') }}
),

by_month as (
    select
        months.segmentation,
        months.segment_id,
        'any product' as product,
        months.customer_count,
        months.holder_count
    from {{ ref('segment_month_ownership') }} as months
    inner join last_month on months.month_starts_on = last_month.month_starts_on
    union all
    select
        months.segmentation,
        months.segment_id,
        months.product,
        months.customer_count,
        months.holder_count
    from {{ ref('segment_month_product_ownership') }} as months
    inner join last_month on months.month_starts_on = last_month.month_starts_on
),

on_the_day as (
    select
        segmentation,
        segment_id,
        'any product' as product,
        customer_count,
        holder_count
    from {{ ref('segment_ownership') }}
    union all
    select
        segmentation,
        segment_id,
        product,
        customer_count,
        holder_count
    from {{ ref('segment_product_ownership') }}
)

select
    coalesce(by_month.segmentation, on_the_day.segmentation) as segmentation,
    coalesce(by_month.segment_id, on_the_day.segment_id) as segment_id,
    coalesce(by_month.product, on_the_day.product) as product,
    by_month.customer_count as month_customer_count,
    on_the_day.customer_count,
    by_month.holder_count as month_holder_count,
    on_the_day.holder_count
from by_month
full outer join on_the_day
    on
        by_month.segmentation = on_the_day.segmentation
        and by_month.segment_id = on_the_day.segment_id
        and by_month.product = on_the_day.product
where
    coalesce(by_month.customer_count, -1) <> coalesce(on_the_day.customer_count, -1)
    or coalesce(by_month.holder_count, -1) <> coalesce(on_the_day.holder_count, -1)
