with transactions as (
    select
        transactions.customer_id,
        transactions.transaction_type,
        transactions.amount
    from {{ ref('stg_transactions') }} as transactions
    inner join {{ ref('as_of') }} as as_of on transactions.transacted_on > as_of.window_starts_after
),

described as (
    select
        members.segmentation,
        members.segment_id,
        transactions.transaction_type,
        {{ transaction_amount_sums() }}
    from transactions
    inner join {{ ref('customer_segments') }} as members on transactions.customer_id = members.customer_id
    group by members.segmentation, members.segment_id, transactions.transaction_type
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        {{ transaction_amount_figures() }}
    from described
)

select * from final
