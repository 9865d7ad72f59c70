{{ config(schema='intermediate') }}
{% set purchase_types = quoted_items(var('purchase_transaction_types')) %}

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

transactions as (
    select
        compared.campaign_id,
        compared.customer_id,
        sum(case
            when transactions.transaction_type in ({{ purchase_types }}) and transactions.transacted_on >= compared.starts_on
                then transactions.amount
        end) as purchase_amount,
        sum(case
            when transactions.transaction_type in ({{ purchase_types }}) and transactions.transacted_on < compared.starts_on
                then transactions.amount
        end) as purchase_amount_before,
        count(case when transactions.transacted_on < compared.starts_on then 1 end) as transactions_before
    from compared
    inner join {{ ref('stg_transactions') }} as transactions
        on
            compared.customer_id = transactions.customer_id
            and transactions.transacted_on between compared.before_starts_on and compared.window_ends_on
    group by compared.campaign_id, compared.customer_id
),

final as (
    select
        compared.campaign_id,
        compared.customer_id,
        compared.arm,
        compared.tenure_days,
        case when compared.product is not null then cast(coalesce(holdings.has_opened, 0) as double) end as has_opened,
        case when compared.product is not null then cast(coalesce(holdings.has_held_before, 0) as double) end as has_held_before,
        cast(coalesce(holdings.products_before, 0) as double) as products_before,
        cast(coalesce(transactions.purchase_amount, 0) as double) as purchase_amount,
        cast(coalesce(transactions.purchase_amount_before, 0) as double) as purchase_amount_before,
        cast(coalesce(transactions.transactions_before, 0) as double) as transactions_before
    from compared
    left join holdings on compared.campaign_id = holdings.campaign_id and compared.customer_id = holdings.customer_id
    left join transactions
        on compared.campaign_id = transactions.campaign_id and compared.customer_id = transactions.customer_id
)

select * from final
