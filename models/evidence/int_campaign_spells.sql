{{ config(schema='intermediate', meta={'rows_of_each': 'customer_id'}) }}

with spells as (
    select
        days.campaign_id,
        days.channel,
        days.customer_id,
        campaigns.product,
        days.spell_starts_on,
        cast({{ dbt.dateadd('day', var('landmark_days'), 'days.spell_starts_on') }} as date) as landmark_on,
        cast({{ dbt.dateadd('day', var('landmark_days') + var('follow_up_days'), 'days.spell_starts_on') }} as date)
            as followed_until,
        sum(days.impressions) as impressions_before,
        max(case when days.clicks > 0 then 1 else 0 end) as has_clicked
    from {{ ref('int_impression_days') }} as days
    inner join {{ ref('stg_campaigns') }} as campaigns on days.campaign_id = campaigns.campaign_id
    where
        campaigns.product is not null
        and {{ dbt.dateadd('day', var('landmark_days'), 'days.spell_starts_on') }} >= days.occurred_on
    group by days.campaign_id, days.channel, days.customer_id, campaigns.product, days.spell_starts_on
),

followed as (
    select spells.*
    from spells
    cross join {{ ref('as_of') }} as as_of
    where spells.followed_until <= as_of.as_of_on
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
            and holdings.opened_on between followed.spell_starts_on and followed.followed_until
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
    left join purchases
        on
            followed.campaign_id = purchases.campaign_id
            and followed.channel = purchases.channel
            and followed.customer_id = purchases.customer_id
    where coalesce(purchases.has_bought_before, 0) = 0
)

select * from final
