{{ config(meta={'rows_of_each': 'customer_id'}) }}

with purchases as (
    select
        transactions.customer_id,
        transactions.transacted_on,
        cast(transactions.amount as decimal(18, 2)) * cast(margins.margin_rate as decimal(9, 6)) as margin_amount
    from {{ ref('stg_transactions') }} as transactions
    inner join {{ ref('int_purchase_margins') }} as margins
        on transactions.transaction_type = margins.transaction_type
),

-- Summed as decimals, so that no total depends on the order of rows.
purchase_days as (
    select
        customer_id,
        transacted_on as purchased_on,
        cast(sum(margin_amount) as double) as margin_amount
    from purchases
    group by customer_id, transacted_on
),

final as (
    select
        *,
        min(purchased_on) over (partition by customer_id) as first_purchased_on
    from purchase_days
)

select * from final
