with types as (
    select distinct transaction_type from {{ ref('int_customer_month_transactions') }}
),

months as (
    select distinct month_starts_on from {{ ref('int_customer_month_transactions') }}
),

-- A customer counts from the month of joining; one with an earlier transaction counts in that month too.
early as (
    select distinct
        transactions.customer_id,
        transactions.month_starts_on
    from {{ ref('int_customer_month_transactions') }} as transactions
    inner join {{ ref('stg_customers') }} as stg_customers on transactions.customer_id = stg_customers.customer_id
    where stg_customers.joined_on >= {{ dbt.dateadd('month', 1, 'transactions.month_starts_on') }}
),

customers as (
    select
        members.segmentation,
        members.segment_id,
        types.transaction_type,
        months.month_starts_on,
        coalesce(transactions.transaction_count, 0) as transaction_count,
        coalesce(transactions.total_amount, 0) as total_amount
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('stg_customers') }} as stg_customers on members.customer_id = stg_customers.customer_id
    cross join types
    cross join months
    left join {{ ref('int_customer_month_transactions') }} as transactions
        on
            members.customer_id = transactions.customer_id
            and types.transaction_type = transactions.transaction_type
            and months.month_starts_on = transactions.month_starts_on
    left join early
        on members.customer_id = early.customer_id and months.month_starts_on = early.month_starts_on
    where
        coalesce(stg_customers.joined_on < {{ dbt.dateadd('month', 1, 'months.month_starts_on') }}, true)
        or early.customer_id is not null
),

ranked as (
    {{ with_ranks('customers', 'segmentation, segment_id, transaction_type, month_starts_on') }}
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        month_starts_on,
        {{ customer_amount_sums() }}
    from ranked
    group by segmentation, segment_id, transaction_type, month_starts_on
)

select * from final
