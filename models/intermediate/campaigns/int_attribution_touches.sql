{{ config(meta={'rows_of_each': 'customer_id'}) }}

with engagements as (
    select
        engagements.campaign_id,
        engagements.customer_id,
        engagements.channel,
        engagements.occurred_on,
        sum(engagements.impressions) > 0 or coalesce(sum(engagements.clicks), 0) > 0 as is_touch,
        cast(round(sum(coalesce(engagements.revenue_amount, 0)) * 100) as bigint) as revenue_cents
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    where not engagements.is_holdout
    group by engagements.campaign_id, engagements.customer_id, engagements.channel, engagements.occurred_on
),

touched as (
    select
        revenues.campaign_id,
        revenues.customer_id,
        revenues.channel as revenue_channel,
        revenues.occurred_on as revenue_on,
        revenues.revenue_cents,
        touches.channel is not null as has_touch,
        -- Revenue without a touch stays with the channel it was handed in on.
        coalesce(touches.channel, revenues.channel) as channel,
        coalesce(touches.occurred_on, revenues.occurred_on) as touched_on
    from engagements as revenues
    left join engagements as touches
        on
            revenues.campaign_id = touches.campaign_id
            and revenues.customer_id = touches.customer_id
            and touches.is_touch
            and touches.occurred_on <= revenues.occurred_on
    where revenues.revenue_cents <> 0
),

-- Of the touches of one day, the one on the channel the revenue was handed in on is the last.
numbered as (
    select
        *,
        count(*) over (
            partition by campaign_id, customer_id, revenue_channel, revenue_on
        ) as touch_count,
        row_number() over (
            partition by campaign_id, customer_id, revenue_channel, revenue_on
            order by touched_on, case when channel = revenue_channel then 1 else 0 end, channel
        ) as first_touch_number
    from touched
),

final as (
    select
        *,
        touch_count - first_touch_number + 1 as last_touch_number
    from numbered
)

select * from final
