with accepted as (
    select
        members.segmentation,
        transactions.transaction_type,
        count(*) as transaction_count,
        sum(transactions.amount) as total_amount
    from {{ ref('stg_transactions') }} as transactions
    inner join {{ ref('segment_members') }} as members
        on transactions.customer_id = members.entity_id and members.grain = 'customer'
    cross join {{ ref('as_of') }} as as_of
    where transactions.transacted_on > {{ dbt.dateadd('day', -var('window_days'), 'as_of.as_of_on') }}
    group by members.segmentation, transactions.transaction_type
),

over_segments as (
    select
        segmentation,
        transaction_type,
        sum(transaction_count) as transaction_count,
        sum(total_amount) as total_amount
    from {{ ref('segment_transactions') }}
    group by segmentation, transaction_type
)

select
    coalesce(accepted.segmentation, over_segments.segmentation) as segmentation,
    coalesce(accepted.transaction_type, over_segments.transaction_type) as transaction_type,
    accepted.transaction_count as accepted_transaction_count,
    over_segments.transaction_count,
    accepted.total_amount as accepted_amount,
    over_segments.total_amount
from accepted
full outer join over_segments
    on
        accepted.segmentation = over_segments.segmentation
        and accepted.transaction_type = over_segments.transaction_type
where
    coalesce(accepted.transaction_count, 0) <> coalesce(over_segments.transaction_count, 0)
    or coalesce(accepted.total_amount, 0) <> coalesce(over_segments.total_amount, 0)
