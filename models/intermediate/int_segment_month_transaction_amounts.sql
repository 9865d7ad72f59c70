with transactions as (
    select
        transactions.customer_id,
        transactions.transaction_type,
        cast(date_trunc('month', transactions.transacted_on) as date) as month_starts_on,
        transactions.amount
    from {{ ref('stg_transactions') }} as transactions
),

described as (
    select
        members.segmentation,
        members.segment_id,
        transactions.transaction_type,
        transactions.month_starts_on,
        {{ transaction_amount_sums() }}
    from transactions
    inner join {{ ref('customer_segments') }} as members on transactions.customer_id = members.customer_id
    group by members.segmentation, members.segment_id, transactions.transaction_type, transactions.month_starts_on
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        month_starts_on,
        {{ transaction_amount_figures() }}
    from described
)

select * from final
