{{ config(schema='intermediate') }}

with holdings as (
    select
        holdings.customer_id,
        holdings.product,
        holdings.opened_on <= as_of.window_starts_after
        and coalesce(holdings.closed_on > as_of.window_starts_after, true) as is_owned_before,
        holdings.opened_on > as_of.window_starts_after as is_bought_after
    from {{ ref('stg_product_holdings') }} as holdings
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select
        customer_id,
        product,
        max(case when is_owned_before then 1 else 0 end) as is_owned_before,
        max(case when is_bought_after then 1 else 0 end) as is_bought_after
    from holdings
    group by customer_id, product
)

select * from final
