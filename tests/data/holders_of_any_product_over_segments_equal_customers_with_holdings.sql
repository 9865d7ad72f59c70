with holdings as (
    select
        members.segmentation,
        count(distinct case
            when holdings.closed_on is null or holdings.closed_on > as_of.as_of_on then holdings.customer_id
        end) as holder_count,
        count(distinct case
            when holdings.opened_on > {{ dbt.dateadd('day', -var('window_days'), 'as_of.as_of_on') }}
                then holdings.customer_id
        end) as buyer_count
    from {{ ref('stg_product_holdings') }} as holdings
    inner join {{ ref('segment_members') }} as members
        on holdings.customer_id = members.entity_id and members.grain = 'customer'
    cross join {{ ref('as_of') }} as as_of
    group by members.segmentation
),

over_segments as (
    select
        segmentation,
        sum(holder_count) as holder_count,
        sum(buyer_count) as buyer_count
    from {{ ref('segment_ownership') }}
    group by segmentation
)

select
    coalesce(holdings.segmentation, over_segments.segmentation) as segmentation,
    holdings.holder_count as open_holder_count,
    over_segments.holder_count,
    holdings.buyer_count as window_buyer_count,
    over_segments.buyer_count
from holdings
full outer join over_segments on holdings.segmentation = over_segments.segmentation
where
    coalesce(holdings.holder_count, 0) <> coalesce(over_segments.holder_count, 0)
    or coalesce(holdings.buyer_count, 0) <> coalesce(over_segments.buyer_count, 0)
