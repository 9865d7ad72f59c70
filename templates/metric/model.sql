{{ config(materialized='table') }}

-- One number a customer; of 0 and 1 the mean is a share. Customers without a row here are left out.
with figures as (
    select
        customer_id,
        cast(click_count as double) as figure
    from {{ ref('int_customer_engagement') }}
),

-- The rest adds them up by segment and need not change.
summed as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        count(figures.figure) as NAME_customers,
        coalesce(sum(figures.figure), 0) as NAME_total,
        coalesce(sum({{ product_of('figures.figure', 'figures.figure') }}), 0) as figures_squared,
        coalesce(sum(power(figures.figure, 3)), 0) as figures_cubed
    from {{ ref('segments') }} as segments
    left join {{ ref('customer_segments') }} as members
        on segments.segmentation = members.segmentation and segments.segment_id = members.segment_id
    left join figures on members.customer_id = figures.customer_id
    where segments.grain = 'customer'
    group by segments.segmentation, segments.segment_id, segments.segment_name
),

final as (
    select
        segmentation,
        segment_id,
        segment_name,
        NAME_customers,
        NAME_total,
        {{ mean_with_interval('NAME', 'NAME_customers', 'NAME_total', 'figures_squared', 'figures_cubed') }}
    from summed
)

select * from final
