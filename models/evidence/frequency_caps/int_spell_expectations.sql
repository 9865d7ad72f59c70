{{ config(schema='intermediate') }}

with days as (
    select * from {{ ref('int_impression_days') }}
    where prior_impressions < {{ var('baseline_impressions') }}
),

first_responses as (
    select
        campaign_id,
        channel,
        campaign_age,
        sum(clicks) as clicks,
        {{ ratio('sum(clicks)', 'sum(impressions)') }} as age_response,
        {{ ratio('sum(sum(clicks)) over campaign', 'sum(sum(impressions)) over campaign') }} as campaign_response
    from days
    where prior_impressions = 0
    group by campaign_id, channel, campaign_age
    window campaign as (partition by campaign_id, channel)
),

expected_days as (
    select
        days.*,
        case
            when first_responses.clicks >= {{ var('small_cell_events') }} then first_responses.age_response
            else first_responses.campaign_response
        end as first_response
    from days
    inner join first_responses
        on
            days.campaign_id = first_responses.campaign_id
            and days.channel = first_responses.channel
            and days.campaign_age = first_responses.campaign_age
),

spells as (
    select
        customer_id,
        channel,
        campaign_id,
        cast(sum(clicks) as double) as clicks,
        sum(impressions * first_response) as expected_clicks,
        max(case when prior_impressions = 0 then first_response end) as first_response,
        cast(sum(case when prior_impressions = 0 then impressions end) as double) as first_day_impressions,
        cast(sum(case when prior_impressions = 0 then clicks end) as double) as first_day_clicks
    from expected_days
    group by customer_id, channel, campaign_id
),

final as (
    select
        customer_id,
        channel,
        campaign_id,
        first_response,
        first_day_impressions,
        first_day_clicks,
        greatest(0, sum(expected_clicks) over own - expected_clicks) as other_expected_clicks,
        sum(clicks) over own - clicks as other_clicks
    from spells
    window own as (partition by customer_id, channel)
)

select * from final
