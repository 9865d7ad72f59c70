{{ config(schema='intermediate', materialized='view', meta={'rows_of_each': 'customer_id'}) }}

with final as (
    select
        campaign_id,
        customer_id,
        is_holdout,
        false as is_contaminated,
        impressions,
        conversions,
        cost_amount
    from {{ ref('stg_campaign_engagements') }}
    union all
    -- The lot held them out, whatever was shown to them later; without them the holdout would no longer be a draw.
    select
        campaign_id,
        customer_id,
        true as is_holdout,
        true as is_contaminated,
        null as impressions,
        null as conversions,
        null as cost_amount
    from {{ ref('int_contaminated_holdouts') }}
)

select * from final
