{{ config(meta={'rows_of_each': 'customer_id'}) }}

with holdings as (
    select
        stg_product_holdings.customer_id,
        stg_product_holdings.product,
        coalesce(stg_product_holdings.closed_on > as_of.as_of_on, true) as is_open,
        stg_product_holdings.opened_on > as_of.window_starts_after as is_opened_in_window
    from {{ ref('stg_product_holdings') }} as stg_product_holdings
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select
        customer_id,
        product,
        max(case when is_open then 1 else 0 end) = 1 as is_held,
        max(case when is_opened_in_window then 1 else 0 end) = 1 as is_bought_in_window
    from holdings
    group by customer_id, product
)

select * from final
