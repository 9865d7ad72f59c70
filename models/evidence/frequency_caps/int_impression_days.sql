{{ config(schema='intermediate', meta={'rows_of_each': 'customer_id'}) }}

with engagements as (
    select * from {{ ref('stg_campaign_engagements') }}
    where not is_holdout and impressions > 0 and clicks is not null
),

days as (
    select
        engagements.campaign_id,
        engagements.channel,
        engagements.customer_id,
        engagements.occurred_on,
        cast(sum(engagements.impressions) as bigint) as impressions,
        cast(sum(engagements.clicks) as bigint) as clicks
    from engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    group by engagements.campaign_id, engagements.channel, engagements.customer_id, engagements.occurred_on
),

ordered as (
    select
        days.*,
        campaign_days.first_on,
        campaign_days.last_on,
        sum(days.impressions) over spell - days.impressions as prior_impressions,
        sum(days.clicks) over spell - days.clicks as prior_clicks,
        first_value(days.occurred_on) over spell as spell_starts_on,
        lead(days.occurred_on) over spell as next_on
    from days
    inner join {{ ref('int_campaign_channel_days') }} as campaign_days
        on days.campaign_id = campaign_days.campaign_id and days.channel = campaign_days.channel
    window spell as (partition by days.campaign_id, days.channel, days.customer_id order by days.occurred_on)
),

final as (
    select
        campaign_id,
        channel,
        customer_id,
        occurred_on,
        spell_starts_on,
        impressions,
        clicks,
        cast(prior_impressions as bigint) as prior_impressions,
        cast(prior_clicks as bigint) as prior_clicks,
        cast(floor({{ dbt.datediff('first_on', 'occurred_on', 'day') }} / {{ var('campaign_age_days') }}) as bigint)
            as campaign_age,
        {{ dbt.datediff('occurred_on', 'last_on', 'day') }} >= {{ var('followed_within_days') }} as is_observed_after,
        coalesce({{ dbt.datediff('occurred_on', 'next_on', 'day') }} <= {{ var('followed_within_days') }}, false) as is_followed
    from ordered
)

select * from final
