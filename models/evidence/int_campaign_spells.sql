{{ config(schema='intermediate') }}

with engagements as (
    select
        engagements.campaign_id,
        engagements.channel,
        engagements.customer_id,
        engagements.occurred_on,
        engagements.impressions,
        engagements.clicks
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    where not engagements.is_holdout and engagements.impressions > 0
),

first_days as (
    select
        engagements.campaign_id,
        engagements.channel,
        engagements.customer_id,
        campaigns.product,
        min(engagements.occurred_on) as first_on
    from engagements
    inner join {{ ref('stg_campaigns') }} as campaigns on engagements.campaign_id = campaigns.campaign_id
    where campaigns.product is not null
    group by engagements.campaign_id, engagements.channel, engagements.customer_id, campaigns.product
),

followed as (
    select
        first_days.*,
        cast({{ dbt.dateadd('day', var('landmark_days'), 'first_days.first_on') }} as date) as landmark_on,
        cast({{ dbt.dateadd('day', var('landmark_days') + var('follow_up_days'), 'first_days.first_on') }} as date) as followed_until
    from first_days
),

spells as (
    select
        followed.campaign_id,
        followed.channel,
        followed.customer_id,
        sum(engagements.impressions) as impressions_before,
        max(case when engagements.clicks > 0 then 1 else 0 end) as has_clicked
    from followed
    inner join engagements
        on
            followed.campaign_id = engagements.campaign_id
            and followed.channel = engagements.channel
            and followed.customer_id = engagements.customer_id
            and followed.landmark_on >= engagements.occurred_on
    cross join {{ ref('as_of') }} as as_of
    where followed.followed_until <= as_of.as_of_on
    group by followed.campaign_id, followed.channel, followed.customer_id
),

-- From the first impression's day on: whoever bought that day had decided before a click could matter.
purchases as (
    select
        followed.campaign_id,
        followed.channel,
        followed.customer_id,
        max(case when holdings.opened_on > followed.landmark_on then 1 else 0 end) as has_bought_after,
        max(case when holdings.opened_on <= followed.landmark_on then 1 else 0 end) as has_bought_before
    from followed
    inner join {{ ref('stg_product_holdings') }} as holdings
        on
            followed.customer_id = holdings.customer_id
            and followed.product = holdings.product
            and holdings.opened_on between followed.first_on and followed.followed_until
    group by followed.campaign_id, followed.channel, followed.customer_id
),

final as (
    select
        spells.campaign_id,
        spells.channel,
        spells.customer_id,
        least(spells.impressions_before, {{ var('impression_strata') }}) as impression_stratum,
        spells.has_clicked,
        coalesce(purchases.has_bought_after, 0) as has_bought
    from spells
    left join purchases
        on
            spells.campaign_id = purchases.campaign_id
            and spells.channel = purchases.channel
            and spells.customer_id = purchases.customer_id
    where coalesce(purchases.has_bought_before, 0) = 0
)

select * from final
