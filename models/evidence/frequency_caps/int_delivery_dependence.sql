{{ config(schema='intermediate') }}

with strata as (
    select
        customer_id,
        channel,
        cast(count(case when clicks > 0 and is_followed then 1 end) as double) as clicked_followed,
        cast(count(case when clicks > 0 and not is_followed then 1 end) as double) as clicked_ended,
        cast(count(case when clicks = 0 and is_followed then 1 end) as double) as unclicked_followed,
        cast(count(case when clicks = 0 and not is_followed then 1 end) as double) as unclicked_ended,
        cast(count(*) as double) as day_count
    from {{ ref('int_impression_days') }}
    where is_observed_after
    group by customer_id, channel, prior_impressions, impressions
),

customers as (
    select
        channel,
        customer_id,
        sum(clicked_followed * unclicked_ended / day_count) as concordant,
        sum(clicked_ended * unclicked_followed / day_count) as discordant
    from strata
    group by channel, customer_id
),

sums as (
    select
        channel,
        sum(concordant) + 0.5 as concordant,
        sum(discordant) + 0.5 as discordant,
        sum(concordant * concordant) as concordant_squared,
        sum(discordant * discordant) as discordant_squared,
        sum(concordant * discordant) as products
    from customers
    group by channel
),

ratios as (
    select
        channel,
        concordant / discordant as odds_ratio,
        {{ log_ratio_error('concordant', 'discordant', 'concordant_squared', 'discordant_squared', 'products') }} as log_error
    from sums
),

final as (
    select
        *,
        case
            when
                odds_ratio * exp(-2 * log_error) >= 1.0 / {{ var('delivery_odds_limit') }}
                and odds_ratio * exp(2 * log_error) <= {{ var('delivery_odds_limit') }} then 'independent'
            when odds_ratio * exp(2 * log_error) < 1 then 'stops_after_clicks'
            when odds_ratio * exp(-2 * log_error) > 1 then 'grows_after_clicks'
            else 'unknown'
        end as delivery
    from ratios
)

select * from final
