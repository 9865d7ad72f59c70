{{ config(schema='intermediate') }}

with spells as (
    select * from {{ ref('int_spell_expectations') }}
    where other_expected_clicks > 0
),

candidates as (
    select
        min(cap) as smallest_cap,
        max(cap) as largest_cap
    from {{ ref('int_frequency_cap_candidates') }}
),

weighted as (
    select
        days.customer_id,
        days.channel,
        days.campaign_id,
        days.campaign_age,
        case
            when days.prior_impressions < candidates.smallest_cap then 0
            else least(days.prior_impressions, candidates.largest_cap)
        end as prior_impressions,
        days.clicks,
        days.clicks * spells.other_expected_clicks as weighted_clicks,
        days.impressions * spells.other_clicks as weighted_expected
    from {{ ref('int_impression_days') }} as days
    inner join spells
        on
            days.customer_id = spells.customer_id
            and days.channel = spells.channel
            and days.campaign_id = spells.campaign_id
    cross join candidates
),

final as (
    select
        members.group_id,
        weighted.channel,
        weighted.campaign_id,
        weighted.campaign_age,
        weighted.prior_impressions,
        members.customer_bucket,
        cast(sum(weighted.clicks) as bigint) as click_sum,
        sum(weighted.weighted_clicks) as weighted_clicks,
        sum(weighted.weighted_expected) as weighted_expected
    from weighted
    inner join {{ ref('int_group_members') }} as members on weighted.customer_id = members.customer_id
    group by
        members.group_id,
        weighted.channel,
        weighted.campaign_id,
        weighted.campaign_age,
        weighted.prior_impressions,
        members.customer_bucket
)

select * from final
