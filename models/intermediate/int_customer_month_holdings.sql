{{ config(meta={'rows_of_each': 'customer_id'}) }}

with changes as (
    select
        customer_id,
        product,
        cast(date_trunc('month', opened_on) as date) as month_starts_on,
        1 as opened,
        0 as closed
    from {{ ref('stg_product_holdings') }}
    union all
    select
        holdings.customer_id,
        holdings.product,
        cast(date_trunc('month', holdings.closed_on) as date) as month_starts_on,
        0 as opened,
        1 as closed
    from {{ ref('stg_product_holdings') }} as holdings
    inner join {{ ref('as_of') }} as as_of on holdings.closed_on <= as_of.as_of_on
),

final as (
    select
        customer_id,
        product,
        month_starts_on,
        cast(sum(opened) as bigint) as opened_count,
        cast(sum(closed) as bigint) as closed_count
    from changes
    group by customer_id, product, month_starts_on
)

select * from final
