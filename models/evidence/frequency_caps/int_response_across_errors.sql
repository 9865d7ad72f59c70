{{ config(schema='intermediate') }}

with slopes as (
    select
        strata.group_id,
        strata.channel,
        strata.cap,
        strata.campaign_id,
        strata.campaign_age,
        strata.expected_before / strata.expected / ratios.numerator as per_click_after,
        -strata.expected_after / strata.expected / ratios.denominator as per_click_before,
        (strata.clicks_after / ratios.numerator + strata.clicks_before / ratios.denominator)
        / (strata.expected * strata.expected) as per_expected,
        strata.expected_before,
        strata.expected_after
    from {{ ref('int_response_strata') }} as strata
    inner join {{ ref('int_response_across_ratios') }} as ratios
        on strata.group_id = ratios.group_id and strata.channel = ratios.channel and strata.cap = ratios.cap
),

bucket_influences as (
    select
        slopes.group_id,
        slopes.channel,
        slopes.cap,
        sums.customer_bucket,
        sum(
            case
                when sums.prior_impressions >= slopes.cap
                    then sums.weighted_clicks * slopes.per_click_after
                        - sums.weighted_expected * slopes.per_expected * slopes.expected_before
                else sums.weighted_clicks * slopes.per_click_before
                    + sums.weighted_expected * slopes.per_expected * slopes.expected_after
            end
        ) as influence
    from {{ ref('int_response_sums') }} as sums
    inner join slopes
        on
            sums.group_id = slopes.group_id
            and sums.channel = slopes.channel
            and sums.campaign_id = slopes.campaign_id
            and sums.campaign_age = slopes.campaign_age
    group by slopes.group_id, slopes.channel, slopes.cap, sums.customer_bucket
),

final as (
    select
        group_id,
        channel,
        cap,
        case
            when count(*) >= {{ var('small_cell_events') }}
                then sqrt(sum(influence * influence) * count(*) / (count(*) - 1))
        end as log_error
    from bucket_influences
    group by group_id, channel, cap
)

select * from final
