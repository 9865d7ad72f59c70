with products as (
    select distinct product from {{ ref('int_customer_products') }}
),

customer_products as (
    select
        members.segmentation,
        members.segment_id,
        products.product,
        products.is_held,
        products.is_bought_in_window
    from {{ ref('int_customer_products') }} as products
    inner join {{ ref('customer_segments') }} as members on products.customer_id = members.customer_id
),

counted as (
    select
        segmentation,
        segment_id,
        product,
        count(case when is_held then 1 end) as holder_count,
        count(case when is_bought_in_window then 1 end) as buyer_count
    from customer_products
    group by segmentation, segment_id, product
),

cells as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        products.product,
        segments.entity_count as customer_count,
        coalesce(counted.holder_count, 0) as holder_count,
        coalesce(counted.buyer_count, 0) as buyer_count
    from {{ ref('segments') }} as segments
    cross join products
    left join counted
        on
            segments.segmentation = counted.segmentation
            and segments.segment_id = counted.segment_id
            and products.product = counted.product
    where segments.grain = 'customer'
),

final as (
    select
        *,
        {{ ownership_rates() }}
    from cells
)

select * from final
