{% set cell = ['customers.segmentation', 'customers.segment_id', 'customers.transaction_type'] %}

with types as (
    select distinct transaction_type from {{ ref('int_customer_transaction_types') }}
),

customers as (
    select
        members.segmentation,
        members.segment_id,
        types.transaction_type,
        count(*) as customer_count
    from {{ ref('customer_segments') }} as members
    cross join types
    group by members.segmentation, members.segment_id, types.transaction_type
),

transactions as (
    select
        members.segmentation,
        members.segment_id,
        transactions.transaction_type,
        transactions.transaction_count,
        transactions.total_amount
    from {{ ref('int_customer_transaction_types') }} as transactions
    inner join {{ ref('customer_segments') }} as members on transactions.customer_id = members.customer_id
),

ranked as (
    {{ with_ranks('transactions', ['segmentation', 'segment_id', 'transaction_type']) }}
),

active as (
    select
        cell_hash,
        {{ active_amount_sums() }}
    from ranked
    group by cell_hash
),

final as (
    select
        customers.segmentation,
        customers.segment_id,
        customers.transaction_type,
        {{ customer_amount_sums('customers', 'active') }}
    from customers
    left join active on {{ hash_of(cell) }} = active.cell_hash
)

select * from final
