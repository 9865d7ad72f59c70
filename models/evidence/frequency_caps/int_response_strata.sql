{{ config(schema='intermediate') }}

with sums as (
    select
        group_id,
        channel,
        campaign_id,
        campaign_age,
        prior_impressions,
        sum(click_sum) as click_sum,
        sum(weighted_clicks) as weighted_clicks,
        sum(weighted_expected) as weighted_expected
    from {{ ref('int_response_sums') }}
    group by group_id, channel, campaign_id, campaign_age, prior_impressions
),

splits as (
    select
        sums.*,
        candidates.cap,
        sums.prior_impressions >= candidates.cap as is_after
    from sums
    cross join {{ ref('int_frequency_cap_candidates') }} as candidates
),

strata as (
    select
        group_id,
        channel,
        cap,
        campaign_id,
        campaign_age,
        cast(sum(case when is_after then 0 else click_sum end) as bigint) as click_count_before,
        sum(case when is_after then weighted_clicks else 0 end) as clicks_after,
        sum(case when is_after then weighted_expected else 0 end) as expected_after,
        sum(case when is_after then 0 else weighted_clicks end) as clicks_before,
        sum(case when is_after then 0 else weighted_expected end) as expected_before
    from splits
    group by group_id, channel, cap, campaign_id, campaign_age
),

final as (
    select
        *,
        expected_before + expected_after as expected
    from strata
    where expected_before > 0 and expected_after > 0
)

select * from final
