{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    engagement_id,
    campaign_id,
    customer_id,
    channel,
    occurred_on,
    is_holdout,
    impressions,
    opens,
    clicks,
    conversions,
    revenue_amount,
    cost_amount
from {{ ref('base_campaign_engagements') }}
where row_status = 'accepted'
