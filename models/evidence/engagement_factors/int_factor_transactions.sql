{{ config(schema='intermediate') }}

with final as (
    select
        responses.campaign_id,
        responses.customer_id,
        count(*) as earlier_transaction_count,
        cast(sum(transactions.amount) as double) as earlier_transaction_amount,
        max(transactions.transacted_on) as earlier_transacted_on
    from {{ ref('int_factor_responses') }} as responses
    inner join {{ ref('stg_transactions') }} as transactions
        on
            responses.customer_id = transactions.customer_id
            and responses.history_starts_after < transactions.transacted_on
            and responses.known_on >= transactions.transacted_on
    group by responses.campaign_id, responses.customer_id
)

select * from final
