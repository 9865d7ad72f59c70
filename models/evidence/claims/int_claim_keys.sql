{{ config(schema='intermediate') }}

-- Every value a claim's key may have; a key without any stands for a family that was not handed in.
with products as (
    select product from {{ ref('stg_product_holdings') }}
    union
    select product from {{ ref('stg_campaigns') }}
    where product is not null
),

known as (
    select
        'channel' as claim_key,
        channel as known_value
    from {{ ref('channels') }}
    union
    select
        'channel' as claim_key,
        channel as known_value
    from {{ ref('stg_campaign_engagements') }}
    union
    select
        'product' as claim_key,
        product as known_value
    from products
    union
    select
        'owned_product' as claim_key,
        product as known_value
    from products
    union
    select
        'transaction_type' as claim_key,
        transaction_type as known_value
    from {{ ref('int_customer_transaction_types') }}
    union
    select
        'touchpoint' as claim_key,
        touchpoint as known_value
    from {{ ref('int_customer_touchpoints') }}
    union
    select
        'band' as claim_key,
        lower(band_name) as known_value
    from {{ ref('int_impression_bands') }}
),

final as (
    select
        claim_key,
        known_value
    from known
)

select * from final
