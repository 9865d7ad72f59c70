{#- A customer with a transaction before joining is counted in that month too. -#}
with cells as (
    select
        segmentation,
        segment_id,
        transaction_type,
        month_starts_on,
        customer_count,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', 1, 'month_starts_on')) }} as date) as month_ends_on
    from {{ ref('segment_month_transactions') }}
),

joined as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.transaction_type,
        cells.month_starts_on,
        count(*) as joined_count
    from cells
    inner join {{ ref('segment_members') }} as members
        on
            cells.segmentation = members.segmentation
            and cells.segment_id = members.segment_id
            and members.grain = 'customer'
    inner join {{ ref('stg_customers') }} as customers on members.entity_id = customers.customer_id
    where customers.joined_on is null or customers.joined_on <= cells.month_ends_on
    group by cells.segmentation, cells.segment_id, cells.transaction_type, cells.month_starts_on
),

early as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.transaction_type,
        cells.month_starts_on,
        count(distinct transactions.customer_id) as early_count
    from cells
    inner join {{ ref('segment_members') }} as members
        on
            cells.segmentation = members.segmentation
            and cells.segment_id = members.segment_id
            and members.grain = 'customer'
    inner join {{ ref('stg_customers') }} as customers on members.entity_id = customers.customer_id
    inner join {{ ref('stg_transactions') }} as transactions
        on
            customers.customer_id = transactions.customer_id
            and transactions.transacted_on between cells.month_starts_on and cells.month_ends_on
    where customers.joined_on > cells.month_ends_on
    group by cells.segmentation, cells.segment_id, cells.transaction_type, cells.month_starts_on
)

select
    cells.segmentation,
    cells.segment_id,
    cells.transaction_type,
    cells.month_starts_on,
    cells.customer_count,
    joined.joined_count,
    early.early_count
from cells
left join joined
    on
        cells.segmentation = joined.segmentation
        and cells.segment_id = joined.segment_id
        and cells.transaction_type = joined.transaction_type
        and cells.month_starts_on = joined.month_starts_on
left join early
    on
        cells.segmentation = early.segmentation
        and cells.segment_id = early.segment_id
        and cells.transaction_type = early.transaction_type
        and cells.month_starts_on = early.month_starts_on
where cells.customer_count <> coalesce(joined.joined_count, 0) + coalesce(early.early_count, 0)
