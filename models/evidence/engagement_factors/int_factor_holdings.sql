{{ config(schema='intermediate') }}

with final as (
    select
        responses.campaign_id,
        responses.customer_id,
        count(distinct holdings.product) as earlier_product_count
    from {{ ref('int_factor_responses') }} as responses
    inner join {{ ref('stg_product_holdings') }} as holdings
        on
            responses.customer_id = holdings.customer_id
            and responses.known_on >= holdings.opened_on
            and coalesce(holdings.closed_on > responses.known_on, true)
    group by responses.campaign_id, responses.customer_id
)

select * from final
