{{ config(schema='intermediate') }}

with days as (
    select * from {{ ref('int_impression_days') }}
),

clicked_spells as (
    select
        customer_id,
        channel,
        campaign_id,
        max(prior_impressions) as last_prior_impressions
    from days
    group by customer_id, channel, campaign_id
    having sum(clicks) > 0
),

spell_candidates as (
    select
        clicked_spells.customer_id,
        clicked_spells.channel,
        clicked_spells.campaign_id,
        candidates.cap
    from clicked_spells
    inner join {{ ref('int_frequency_cap_candidates') }} as candidates
        on clicked_spells.last_prior_impressions >= candidates.cap
),

-- What a campaign's age alone takes away, seen among customers who had not reached the cap.
wear as (
    select
        channel,
        campaign_id,
        campaign_age,
        cap,
        clicks_before / expected_before as relative_response
    from {{ ref('int_response_strata') }}
    where group_id = 0 and click_count_before >= {{ var('small_cell_events') }}
),

candidate_days as (
    select
        spells.*,
        days.prior_impressions >= spells.cap as is_after,
        days.clicks,
        days.impressions * wear.relative_response as expected
    from spell_candidates as spells
    inner join days
        on
            spells.customer_id = days.customer_id
            and spells.channel = days.channel
            and spells.campaign_id = days.campaign_id
    inner join wear
        on
            days.channel = wear.channel
            and days.campaign_id = wear.campaign_id
            and days.campaign_age = wear.campaign_age
            and spells.cap = wear.cap
),

final as (
    select
        customer_id,
        channel,
        campaign_id,
        cap,
        cast(sum(case when is_after then clicks else 0 end) as double) as clicks_after,
        sum(case when is_after then expected else 0 end) as expected_after,
        cast(sum(case when is_after then 0 else clicks end) as double) as clicks_before,
        sum(case when is_after then 0 else expected end) as expected_before
    from candidate_days
    group by customer_id, channel, campaign_id, cap
)

select * from final
