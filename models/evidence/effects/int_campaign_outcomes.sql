{{ config(schema='intermediate', meta={'rows_of_each': 'customer_id'}) }}

with compared as (
    select
        arms.campaign_id,
        arms.customer_id,
        arms.arm,
        arms.tenure_days,
        windows.product,
        windows.before_starts_on,
        windows.starts_on,
        windows.window_ends_on
    from {{ ref('int_campaign_arms') }} as arms
    inner join {{ ref('int_campaign_windows') }} as windows on arms.campaign_id = windows.campaign_id
    where arms.arm in ('treated', 'holdout')
),

holdings as (
    select
        compared.campaign_id,
        compared.customer_id,
        max(case when holdings.product = compared.product and holdings.opened_on >= compared.starts_on then 1 else 0 end) as has_opened,
        max(case
            when holdings.product = compared.product and {{ is_held_before('holdings', 'compared.starts_on') }} then 1 else 0
        end) as has_held_before,
        sum(case when {{ is_held_before('holdings', 'compared.starts_on') }} then 1 else 0 end) as products_before
    from compared
    inner join {{ ref('stg_product_holdings') }} as holdings
        on compared.customer_id = holdings.customer_id and compared.window_ends_on >= holdings.opened_on
    group by compared.campaign_id, compared.customer_id
),

purchases as (
    select
        compared.campaign_id,
        compared.customer_id,
        sum(case when purchases.purchased_on >= compared.starts_on then purchases.margin_amount end) as revenue,
        sum(case when purchases.purchased_on < compared.starts_on then purchases.margin_amount end) as revenue_before
    from compared
    inner join {{ ref('int_purchase_days') }} as purchases
        on
            compared.customer_id = purchases.customer_id
            and purchases.purchased_on between compared.before_starts_on and compared.window_ends_on
    group by compared.campaign_id, compared.customer_id
),

transactions as (
    select
        compared.campaign_id,
        compared.customer_id,
        count(*) as transactions_before
    from compared
    inner join {{ ref('stg_transactions') }} as transactions
        on
            compared.customer_id = transactions.customer_id
            and compared.before_starts_on <= transactions.transacted_on
            and compared.starts_on > transactions.transacted_on
    group by compared.campaign_id, compared.customer_id
),

-- What nobody recorded is unknown; only within a record does no row mean 0.
final as (
    select
        compared.campaign_id,
        compared.customer_id,
        compared.arm,
        compared.tenure_days,
        case
            when compared.product is not null and records.holdings_end_on >= compared.starts_on
                then cast(coalesce(holdings.has_opened, 0) as double)
        end as has_opened,
        case
            when compared.product is not null and records.holdings_start_on < compared.starts_on
                then cast(coalesce(holdings.has_held_before, 0) as double)
        end as has_held_before,
        case
            when records.holdings_start_on < compared.starts_on then cast(coalesce(holdings.products_before, 0) as double)
        end as products_before,
        case when records.purchases_end_on >= compared.starts_on then coalesce(purchases.revenue, 0e0) end as revenue,
        case when records.purchases_start_on < compared.starts_on then coalesce(purchases.revenue_before, 0e0) end as revenue_before,
        case
            when records.transactions_start_on < compared.starts_on
                then cast(coalesce(transactions.transactions_before, 0) as double)
        end as transactions_before
    from compared
    cross join {{ ref('int_outcome_records') }} as records
    left join holdings on compared.campaign_id = holdings.campaign_id and compared.customer_id = holdings.customer_id
    left join purchases on compared.campaign_id = purchases.campaign_id and compared.customer_id = purchases.customer_id
    left join transactions
        on compared.campaign_id = transactions.campaign_id and compared.customer_id = transactions.customer_id
)

select * from final
