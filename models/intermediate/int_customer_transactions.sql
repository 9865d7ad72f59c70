{{ config(meta={'rows_of_each': 'customer_id'}) }}

with transactions as (
    select
        stg_transactions.customer_id,
        stg_transactions.transacted_on,
        stg_transactions.transacted_on > as_of.window_starts_after as is_in_window
    from {{ ref('stg_transactions') }} as stg_transactions
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select
        customer_id,
        max(transacted_on) as last_transacted_on,
        count(distinct case when is_in_window then transacted_on end) as transaction_days
    from transactions
    group by customer_id
)

select * from final
