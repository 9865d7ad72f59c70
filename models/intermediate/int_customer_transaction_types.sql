{{ config(meta={'rows_of_each': 'customer_id'}) }}

with window_transactions as (
    select transactions.*
    from {{ ref('stg_transactions') }} as transactions
    inner join {{ ref('as_of') }} as as_of on transactions.transacted_on > as_of.window_starts_after
),

final as (
    select
        customer_id,
        transaction_type,
        count(*) as transaction_count,
        cast(sum(amount) as decimal(18, 2)) as total_amount,
        median(cast(amount as double)) as median_amount
    from window_transactions
    group by customer_id, transaction_type
)

select * from final
