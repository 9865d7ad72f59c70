{{ config(schema='intermediate') }}

-- As for accepted rows, the last unbroken delivery of a row counts, and no broken one beside it.
with unbroken as (
    select distinct engagement_id from {{ ref('base_campaign_engagements') }}
    where row_status <> 'broken'
),

final as (
    select distinct
        rows_shown.campaign_id,
        rows_shown.customer_id
    from {{ ref('base_campaign_engagements') }} as rows_shown
    left join unbroken on rows_shown.engagement_id = unbroken.engagement_id
    where rows_shown.broken_rules = 'holdout_with_impressions' and unbroken.engagement_id is null
)

select * from final
