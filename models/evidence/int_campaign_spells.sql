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
    where not engagements.is_holdout and engagements.impressions > 0
),

first_days as (
    select
        campaign_id,
        channel,
        customer_id,
        min(occurred_on) as first_on
    from engagements
    group by campaign_id, channel, customer_id
),

landmarks as (
    select
        *,
        cast({{ dbt.dateadd('day', var('landmark_days'), 'first_on') }} as date) as landmark_on
    from first_days
),

spells as (
    select
        landmarks.campaign_id,
        landmarks.channel,
        landmarks.customer_id,
        landmarks.landmark_on,
        sum(engagements.impressions) as impressions_before,
        max(case when engagements.clicks > 0 then 1 else 0 end) as has_clicked
    from landmarks
    inner join engagements
        on
            landmarks.campaign_id = engagements.campaign_id
            and landmarks.channel = engagements.channel
            and landmarks.customer_id = engagements.customer_id
            and engagements.occurred_on <= landmarks.landmark_on
    group by landmarks.campaign_id, landmarks.channel, landmarks.customer_id, landmarks.landmark_on
),

followed as (
    select
        spells.*,
        campaigns.product,
        cast({{ dbt.dateadd('day', var('follow_up_days'), 'spells.landmark_on') }} as date) as followed_until
    from spells
    inner join {{ ref('stg_campaigns') }} as campaigns on spells.campaign_id = campaigns.campaign_id
    where campaigns.product is not null
),

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
            and holdings.opened_on >= {{ dbt.dateadd('day', -var('landmark_days'), 'followed.landmark_on') }}
            and holdings.opened_on <= followed.followed_until
    group by followed.campaign_id, followed.channel, followed.customer_id
),

final as (
    select
        followed.campaign_id,
        followed.channel,
        followed.customer_id,
        least(followed.impressions_before, {{ var('impression_strata') }}) as impression_stratum,
        followed.has_clicked,
        coalesce(purchases.has_bought_after, 0) as has_bought
    from followed
    cross join {{ ref('as_of') }} as as_of
    left join purchases
        on
            followed.campaign_id = purchases.campaign_id
            and followed.channel = purchases.channel
            and followed.customer_id = purchases.customer_id
    where followed.followed_until <= as_of.as_of_on and coalesce(purchases.has_bought_before, 0) = 0
)

select * from final
