with bought as (
    select
        members.segmentation,
        year(holdings.opened_on) * 100 + month(holdings.opened_on) as month_number,
        holdings.product,
        count(distinct holdings.customer_id) as buyer_count
    from {{ ref('stg_product_holdings') }} as holdings
    inner join {{ ref('segment_members') }} as members
        on holdings.customer_id = members.entity_id and members.grain = 'customer'
    group by members.segmentation, holdings.product, year(holdings.opened_on) * 100 + month(holdings.opened_on)
    union all
    select
        members.segmentation,
        year(holdings.opened_on) * 100 + month(holdings.opened_on) as month_number,
        'any product' as product,
        count(distinct holdings.customer_id) as buyer_count
    from {{ ref('stg_product_holdings') }} as holdings
    inner join {{ ref('segment_members') }} as members
        on holdings.customer_id = members.entity_id and members.grain = 'customer'
    group by members.segmentation, year(holdings.opened_on) * 100 + month(holdings.opened_on)
),

over_segments as (
    select
        segmentation,
        year(month_starts_on) * 100 + month(month_starts_on) as month_number,
        product,
        sum(buyer_count) as buyer_count
    from {{ ref('segment_month_product_ownership') }}
    group by segmentation, product, year(month_starts_on) * 100 + month(month_starts_on)
    union all
    select
        segmentation,
        year(month_starts_on) * 100 + month(month_starts_on) as month_number,
        'any product' as product,
        sum(buyer_count) as buyer_count
    from {{ ref('segment_month_ownership') }}
    group by segmentation, year(month_starts_on) * 100 + month(month_starts_on)
)

select
    over_segments.segmentation,
    over_segments.product,
    over_segments.month_number,
    bought.buyer_count as accepted_buyer_count,
    over_segments.buyer_count
from over_segments
left join bought
    on
        over_segments.segmentation = bought.segmentation
        and over_segments.product = bought.product
        and over_segments.month_number = bought.month_number
where over_segments.buyer_count <> coalesce(bought.buyer_count, 0)
