with customers as (
    select
        members.segmentation,
        count(*) as customer_count,
        coalesce(sum(customers.last_year_amount), 0) as last_year_amount,
        coalesce(sum(customers.expected_transactions_365), 0) as expected_transactions,
        coalesce(sum(customers.clv), 0) as clv
    from {{ ref('customer_value') }} as customers
    inner join {{ ref('segment_members') }} as members
        on customers.customer_id = members.entity_id and members.grain = 'customer'
    group by members.segmentation
),

over_segments as (
    select
        segmentation,
        sum(customer_count) as customer_count,
        coalesce(sum(last_year_amount_total), 0) as last_year_amount,
        coalesce(sum(expected_transactions_365_total), 0) as expected_transactions,
        coalesce(sum(clv_total), 0) as clv
    from {{ ref('segment_value') }}
    group by segmentation
)

select
    coalesce(customers.segmentation, over_segments.segmentation) as segmentation,
    customers.clv as customers_clv,
    over_segments.clv as segments_clv
from customers
full outer join over_segments on customers.segmentation = over_segments.segmentation
where
    customers.customer_count is distinct from over_segments.customer_count
    or abs(customers.last_year_amount - over_segments.last_year_amount) > 1e-9 * customers.last_year_amount
    or abs(customers.expected_transactions - over_segments.expected_transactions) > 1e-9 * customers.expected_transactions
    or abs(customers.clv - over_segments.clv) > 1e-9 * customers.clv
