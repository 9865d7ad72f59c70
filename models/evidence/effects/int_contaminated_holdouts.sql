{{ config(schema='intermediate') }}

-- As for accepted rows, the last unbroken delivery of a row counts, and no broken one beside it.
with unbroken as (
    select distinct engagement_id from {{ ref('base_campaign_engagements') }}
    where row_status <> 'broken'
),

-- A rejected row takes nobody out of the group that an accepted one puts them in.
addressed as (
    select distinct
        campaign_id,
        customer_id
    from {{ ref('stg_campaign_engagements') }}
    where not is_holdout
),

final as (
    select distinct
        rejected.campaign_id,
        rejected.customer_id
    from {{ ref('base_campaign_engagements') }} as rejected
    inner join {{ ref('stg_campaigns') }} as campaigns on rejected.campaign_id = campaigns.campaign_id
    left join unbroken on rejected.engagement_id = unbroken.engagement_id
    left join addressed
        on rejected.campaign_id = addressed.campaign_id and rejected.customer_id = addressed.customer_id
    where
        rejected.broken_rules = 'holdout_with_impressions'
        -- Where no holdout was planned, such a row is a slip of the flag.
        and campaigns.planned_holdout_share > 0
        and unbroken.engagement_id is null
        and addressed.customer_id is null
)

select * from final
