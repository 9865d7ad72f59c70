with changes as (
    select
        customer_id,
        product,
        month_starts_on,
        case when opened_count > 0 then 1 else 0 end as is_buyer,
        {{ holder_change('customer_id, product') }} as holder_change
    from {{ ref('int_customer_month_holdings') }}
),

counted as (
    select
        members.segmentation,
        members.segment_id,
        changes.product,
        changes.month_starts_on,
        sum(changes.holder_change) as holder_change,
        sum(changes.is_buyer) as buyer_count
    from changes
    inner join {{ ref('customer_segments') }} as members on changes.customer_id = members.customer_id
    group by members.segmentation, members.segment_id, changes.product, changes.month_starts_on
),

products as (
    select distinct product from {{ ref('int_customer_month_holdings') }}
),

cells as (
    select
        months.segmentation,
        months.segment_id,
        months.segment_name,
        products.product,
        months.month_starts_on,
        months.customer_count,
        {{ month_end_counts('counted', 'months') }}
    from {{ ref('int_segment_months') }} as months
    cross join products
    left join counted
        on
            months.segmentation = counted.segmentation
            and months.segment_id = counted.segment_id
            and products.product = counted.product
            and months.month_starts_on >= counted.month_starts_on
    group by
        months.segmentation,
        months.segment_id,
        months.segment_name,
        products.product,
        months.month_starts_on,
        months.customer_count
),

final as (
    select
        *,
        {{ ownership_rates() }}
    from cells
)

select * from final
