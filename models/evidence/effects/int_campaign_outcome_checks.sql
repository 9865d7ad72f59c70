{{ config(schema='intermediate') }}

with products as (
    select distinct product from {{ ref('stg_product_holdings') }}
),

outcomes as (
    select
        checks.*,
        'conversion' as outcome,
        -- A product that nobody ever held is misspelt, or its holdings were not handed in.
        case when products.product is not null then records.holdings_start_on end as record_starts_on,
        case when products.product is not null then records.holdings_end_on end as record_ends_on
    from {{ ref('int_campaign_checks') }} as checks
    cross join {{ ref('int_outcome_records') }} as records
    left join products on checks.product = products.product
    union all
    select
        checks.*,
        'revenue' as outcome,
        records.purchases_start_on as record_starts_on,
        records.purchases_end_on as record_ends_on
    from {{ ref('int_campaign_checks') }} as checks
    cross join {{ ref('int_outcome_records') }} as records
),

final as (
    select
        campaign_id,
        product,
        planned_holdout_share,
        outcome,
        record_starts_on,
        record_ends_on,
        {{ outcome_status() }} as outcome_status
    from outcomes
)

select * from final
