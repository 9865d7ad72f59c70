with accepted as (
    select
        members.segmentation,
        transactions.transaction_type,
        year(transactions.transacted_at) * 100 + month(transactions.transacted_at) as month_number,
        count(*) as transaction_count,
        sum(transactions.amount) as total_amount
    from {{ ref('stg_transactions') }} as transactions
    inner join {{ ref('segment_members') }} as members
        on transactions.customer_id = members.entity_id and members.grain = 'customer'
    group by
        members.segmentation,
        transactions.transaction_type,
        year(transactions.transacted_at) * 100 + month(transactions.transacted_at)
),

over_segments as (
    select
        segmentation,
        transaction_type,
        year(month_starts_on) * 100 + month(month_starts_on) as month_number,
        sum(transaction_count) as transaction_count,
        sum(total_amount) as total_amount
    from {{ ref('segment_month_transactions') }}
    group by segmentation, transaction_type, year(month_starts_on) * 100 + month(month_starts_on)
)

select
    coalesce(accepted.segmentation, over_segments.segmentation) as segmentation,
    coalesce(accepted.transaction_type, over_segments.transaction_type) as transaction_type,
    coalesce(accepted.month_number, over_segments.month_number) as month_number,
    accepted.transaction_count as accepted_transaction_count,
    over_segments.transaction_count,
    accepted.total_amount as accepted_amount,
    over_segments.total_amount
from accepted
full outer join over_segments
    on
        accepted.segmentation = over_segments.segmentation
        and accepted.transaction_type = over_segments.transaction_type
        and accepted.month_number = over_segments.month_number
where
    coalesce(accepted.transaction_count, 0) <> coalesce(over_segments.transaction_count, 0)
    or coalesce(accepted.total_amount, 0) <> coalesce(over_segments.total_amount, 0)
