{{ config(materialized='view', meta={'rows_of_each': 'customer_id'}) }}

with engagements as (
    select
        customer_id,
        channel,
        cast(date_trunc('month', occurred_on) as date) as month_starts_on,
        impressions,
        opens,
        clicks,
        conversions
    from {{ ref('stg_campaign_engagements') }}
    where not is_holdout
),

-- As in the engagement of the window, conversions on a channel count of those reached on it.
reached as (
    select
        engagements.customer_id,
        engagements.channel,
        engagements.month_starts_on,
        sum(engagements.impressions) as impression_count,
        sum(engagements.opens) as open_count,
        sum(engagements.clicks) as click_count,
        sum(engagements.conversions) as conversion_count
    from engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    group by engagements.customer_id, engagements.channel, engagements.month_starts_on
    having sum(engagements.impressions) > 0
),

final as (
    select
        reached.customer_id,
        reached.month_starts_on,
        cast(sum(reached.impression_count) as bigint) as impression_count,
        cast(sum(case when channels.has_opens then reached.impression_count else 0 end) as bigint) as openable_impression_count,
        cast(sum(case when channels.has_opens then reached.open_count end) as bigint) as open_count,
        cast(sum(reached.click_count) as bigint) as click_count,
        cast(sum(reached.conversion_count) as bigint) as conversion_count
    from reached
    left join {{ ref('channels') }} as channels on reached.channel = channels.channel
    group by reached.customer_id, reached.month_starts_on
)

select * from final
