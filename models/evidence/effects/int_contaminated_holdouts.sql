{{ config(schema='intermediate') }}

with rejected as (
    select
        deliveries.campaign_id,
        deliveries.customer_id,
        deliveries.engagement_id
    from {{ ref('base_campaign_engagements') }} as deliveries
    inner join {{ ref('stg_campaigns') }} as campaigns on deliveries.campaign_id = campaigns.campaign_id
    where
        deliveries.broken_rules = 'holdout_with_impressions'
        -- Where no holdout was planned, such a row is a slip of the flag.
        and campaigns.planned_holdout_share > 0
),

-- As for accepted rows, the last unbroken delivery of a row counts, and no broken one beside it.
unbroken as (
    select distinct deliveries.engagement_id
    from {{ ref('base_campaign_engagements') }} as deliveries
    inner join rejected on deliveries.engagement_id = rejected.engagement_id
    where deliveries.row_status <> 'broken'
),

-- A rejected row takes nobody out of the group that an accepted one puts them in.
addressed as (
    select distinct
        engagements.campaign_id,
        engagements.customer_id
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join rejected
        on engagements.campaign_id = rejected.campaign_id and engagements.customer_id = rejected.customer_id
    where not engagements.is_holdout
),

final as (
    select distinct
        rejected.campaign_id,
        rejected.customer_id
    from rejected
    left join unbroken on rejected.engagement_id = unbroken.engagement_id
    left join addressed
        on rejected.campaign_id = addressed.campaign_id and rejected.customer_id = addressed.customer_id
    where unbroken.engagement_id is null and addressed.customer_id is null
)

select * from final
