{{ config(meta={'rows_of_each': 'customer_id'}) }}

with engagements as (
    select
        engagements.campaign_id,
        engagements.channel,
        engagements.customer_id,
        engagements.is_holdout,
        engagements.impressions,
        coalesce(channels.channel_group, 'other') as channel_group,
        coalesce(channels.has_opens, false) as has_opens,
        engagements.opens,
        engagements.clicks,
        case when not engagements.is_holdout then engagements.conversions end as conversions,
        case
            when recorded.has_revenue and not engagements.is_holdout then coalesce(engagements.revenue_amount, 0)
        end as revenue_amount,
        case
            when recorded.has_cost and not engagements.is_holdout then coalesce(engagements.cost_amount, 0)
        end as cost_amount
    from {{ ref('stg_campaign_engagements') }} as engagements
    cross join {{ ref('int_recorded_amounts') }} as recorded
    left join {{ ref('channels') }} as channels on engagements.channel = channels.channel
),

summed as (
    select
        engagements.campaign_id,
        engagements.channel,
        engagements.channel_group,
        engagements.customer_id,
        max(not engagements.is_holdout) as is_assigned,
        max(engagements.is_holdout) as is_holdout,
        cast(sum(engagements.impressions) as bigint) as impression_count,
        cast(sum(case when engagements.has_opens then engagements.impressions else 0 end) as bigint) as openable_impression_count,
        cast(sum(case when engagements.has_opens then engagements.opens end) as bigint) as open_count,
        cast(sum(engagements.clicks) as bigint) as click_count,
        cast(sum(case when engagements.has_opens then engagements.clicks end) as bigint) as openable_click_count,
        cast(sum(engagements.conversions) as bigint) as conversion_count,
        cast(sum(engagements.revenue_amount) as decimal(18, 2)) as revenue_amount,
        cast(sum(engagements.cost_amount) as decimal(18, 2)) as cost_amount
    from engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    group by engagements.campaign_id, engagements.channel, engagements.channel_group, engagements.customer_id
),

final as (
    select
        summed.*,
        sends.is_sent_before_joining,
        sends.is_sent_without_consent,
        sends.is_unsubscribed,
        sends.has_closed_holding
    from summed
    left join {{ ref('int_campaign_channel_customer_sends') }} as sends
        on
            summed.campaign_id = sends.campaign_id
            and summed.channel = sends.channel
            and summed.customer_id = sends.customer_id
)

select * from final
