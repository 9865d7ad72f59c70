{{ config(meta={'rows_of_each': 'customer_id'}) }}

with window_engagements as (
    select engagements.*
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('as_of') }} as as_of on engagements.occurred_on > as_of.window_starts_after
    where not engagements.is_holdout
),

final as (
    select
        engagements.customer_id,
        engagements.channel,
        cast(sum(engagements.impressions) as bigint) as impression_count,
        cast(sum(case when channels.has_opens then engagements.impressions else 0 end) as bigint) as openable_impression_count,
        cast(sum(case when channels.has_opens then engagements.opens end) as bigint) as open_count,
        cast(sum(engagements.clicks) as bigint) as click_count,
        cast(sum(engagements.conversions) as bigint) as conversion_count
    from window_engagements as engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    left join {{ ref('channels') }} as channels on engagements.channel = channels.channel
    group by engagements.customer_id, engagements.channel
    having sum(engagements.impressions) > 0
)

select * from final
