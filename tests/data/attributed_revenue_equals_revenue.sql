with attributed as (
    select
        campaign_id,
        sum(attributed_revenue_amount) as attributed_revenue_amount
    from {{ ref('campaign_channel_attribution') }}
    group by campaign_id
)

select
    performance.campaign_id,
    performance.revenue_amount,
    attributed.attributed_revenue_amount
from {{ ref('campaign_performance') }} as performance
left join attributed on performance.campaign_id = attributed.campaign_id
where coalesce(performance.revenue_amount, 0) <> coalesce(attributed.attributed_revenue_amount, 0)
