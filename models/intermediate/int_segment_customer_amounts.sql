with types as (
    select distinct transaction_type from {{ ref('int_customer_transaction_types') }}
),

customers as (
    select
        members.segmentation,
        members.segment_id,
        types.transaction_type,
        coalesce(transactions.transaction_count, 0) as transaction_count,
        coalesce(transactions.total_amount, 0) as total_amount
    from {{ ref('customer_segments') }} as members
    cross join types
    left join {{ ref('int_customer_transaction_types') }} as transactions
        on
            members.customer_id = transactions.customer_id
            and types.transaction_type = transactions.transaction_type
),

ranked as (
    {{ with_ranks('customers', 'segmentation, segment_id, transaction_type') }}
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        {{ customer_amount_sums() }}
    from ranked
    group by segmentation, segment_id, transaction_type
)

select * from final
