with customers as (
    select
        customer_id,
        max(case when is_held then 1 else 0 end) as is_holder,
        max(case when is_bought_in_window then 1 else 0 end) as is_buyer
    from {{ ref('int_customer_products') }}
    group by customer_id
),

counted as (
    select
        members.segmentation,
        members.segment_id,
        sum(customers.is_holder) as holder_count,
        sum(customers.is_buyer) as buyer_count
    from customers
    inner join {{ ref('customer_segments') }} as members on customers.customer_id = members.customer_id
    group by members.segmentation, members.segment_id
),

handed_in as (
    select count(*) as customer_count from customers
),

cells as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        segments.entity_count as customer_count,
        cast(coalesce(counted.holder_count, 0) as bigint) as holder_count,
        cast(coalesce(counted.buyer_count, 0) as bigint) as buyer_count
    from {{ ref('segments') }} as segments
    inner join handed_in on handed_in.customer_count > 0
    left join counted
        on segments.segmentation = counted.segmentation and segments.segment_id = counted.segment_id
    where segments.grain = 'customer'
),

final as (
    select
        *,
        {{ ownership_rates() }}
    from cells
)

select * from final
