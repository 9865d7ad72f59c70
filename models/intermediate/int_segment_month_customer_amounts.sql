{% set cell = ['customers.segmentation', 'customers.segment_id', 'customers.transaction_type', 'customers.month_starts_on'] %}

with types as (
    select distinct transaction_type from {{ ref('int_customer_month_transactions') }}
),

months as (
    select
        month_starts_on,
        {{ dbt.dateadd('month', 1, 'month_starts_on') }} as next_month_on
    from (select distinct month_starts_on from {{ ref('int_customer_month_transactions') }}) as distinct_months
),

members as (
    select
        members.segmentation,
        members.segment_id,
        members.customer_id,
        stg_customers.joined_on
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('stg_customers') }} as stg_customers on members.customer_id = stg_customers.customer_id
),

-- A customer counts from the month of joining; one with an earlier transaction counts in that month too.
early as (
    select distinct
        members.segmentation,
        members.segment_id,
        members.customer_id,
        transactions.month_starts_on
    from {{ ref('int_customer_month_transactions') }} as transactions
    inner join members on transactions.customer_id = members.customer_id
    where members.joined_on >= {{ dbt.dateadd('month', 1, 'transactions.month_starts_on') }}
),

joined as (
    select
        members.segmentation,
        members.segment_id,
        months.month_starts_on,
        count(*) as customer_count
    from members
    inner join months on coalesce(members.joined_on, months.month_starts_on) < months.next_month_on
    group by members.segmentation, members.segment_id, months.month_starts_on
    union all
    select
        segmentation,
        segment_id,
        month_starts_on,
        count(*) as customer_count
    from early
    group by segmentation, segment_id, month_starts_on
),

customers as (
    select
        joined.segmentation,
        joined.segment_id,
        types.transaction_type,
        joined.month_starts_on,
        cast(sum(joined.customer_count) as bigint) as customer_count
    from joined
    cross join types
    group by joined.segmentation, joined.segment_id, types.transaction_type, joined.month_starts_on
),

transactions as (
    select
        members.segmentation,
        members.segment_id,
        transactions.transaction_type,
        transactions.month_starts_on,
        transactions.transaction_count,
        transactions.total_amount
    from {{ ref('int_customer_month_transactions') }} as transactions
    inner join members on transactions.customer_id = members.customer_id
),

ranked as (
    {{ with_ranks('transactions', ['segmentation', 'segment_id', 'transaction_type', 'month_starts_on']) }}
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
        customers.month_starts_on,
        {{ customer_amount_sums('customers', 'active') }}
    from customers
    left join active on {{ hash_of(cell) }} = active.cell_hash
)

select * from final
