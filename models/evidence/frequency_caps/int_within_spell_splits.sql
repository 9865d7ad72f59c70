{{ config(schema='intermediate') }}

with days as (
    select * from {{ ref('int_impression_days') }}
),

-- Numbers stand for spells and customers, which have a row for each cap: texts as keys take twice the memory.
clicked_spells as (
    select
        customer_id,
        channel,
        campaign_id,
        row_number() over (order by customer_id, channel, campaign_id) as spell_number,
        max(prior_impressions) as last_prior_impressions
    from days
    group by customer_id, channel, campaign_id
    having sum(clicks) > 0
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

spell_days as (
    select
        clicked_spells.spell_number,
        clicked_spells.last_prior_impressions,
        days.channel,
        days.campaign_id,
        days.campaign_age,
        days.prior_impressions,
        days.impressions,
        days.clicks
    from days
    inner join clicked_spells
        on
            days.customer_id = clicked_spells.customer_id
            and days.channel = clicked_spells.channel
            and days.campaign_id = clicked_spells.campaign_id
),

splits as (
    select
        days.spell_number,
        wear.cap,
        sum(case when days.prior_impressions >= wear.cap then days.clicks else 0 end) as clicks_after,
        sum(case when days.prior_impressions >= wear.cap then days.impressions * wear.relative_response else 0 end)
            as expected_after,
        sum(case when days.prior_impressions < wear.cap then days.clicks else 0 end) as clicks_before,
        sum(case when days.prior_impressions < wear.cap then days.impressions * wear.relative_response else 0 end)
            as expected_before
    from spell_days as days
    inner join wear
        on
            days.channel = wear.channel
            and days.campaign_id = wear.campaign_id
            and days.campaign_age = wear.campaign_age
            and days.last_prior_impressions >= wear.cap
    group by days.spell_number, wear.cap
),

final as (
    select
        members.customer_number,
        spells.channel,
        spells.campaign_id,
        splits.cap,
        cast(splits.clicks_after as double) as clicks_after,
        splits.expected_after,
        cast(splits.clicks_before as double) as clicks_before,
        splits.expected_before,
        splits.expected_before + splits.expected_after as expected
    from splits
    inner join clicked_spells as spells on splits.spell_number = spells.spell_number
    inner join {{ ref('int_group_members') }} as members on spells.customer_id = members.customer_id and members.group_id = 0
    where splits.expected_before > 0 and splits.expected_after > 0
)

select * from final
