{{ config(schema='intermediate') }}

-- From its first row to its last a file is taken to be whole; a file without rows has no day.
with holdings as (
    select
        min(opened_on) as holdings_start_on,
        max(opened_on) as holdings_end_on
    from {{ ref('stg_product_holdings') }}
),

transactions as (
    select min(transacted_on) as transactions_start_on
    from {{ ref('stg_transactions') }}
),

purchases as (
    select
        min(purchased_on) as purchases_start_on,
        max(purchased_on) as purchases_end_on
    from {{ ref('int_purchase_days') }}
),

final as (
    select *
    from holdings
    cross join transactions
    cross join purchases
)

select * from final
