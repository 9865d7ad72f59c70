{{ config(schema='intermediate', materialized='view', meta={'rows_of_each': 'customer_id'}) }}

with days as (
    select
        *,
        prior_impressions + 1 as first_position,
        prior_impressions + impressions as last_position
    from {{ ref('int_impression_days') }}
),

in_bands as (
    select
        days.customer_id,
        days.channel,
        days.campaign_id,
        days.clicks,
        days.prior_clicks,
        bands.band_name,
        bands.from_impressions,
        cast(least(days.last_position, coalesce(bands.to_impressions, days.last_position))
            - greatest(days.first_position, bands.from_impressions) + 1 as double) as band_impressions,
        (least(days.last_position, coalesce(bands.to_impressions, days.last_position))
            - greatest(days.first_position, bands.from_impressions) + 1) / cast(days.impressions as double) as share
    from days
    inner join {{ ref('int_impression_bands') }} as bands
        on
            days.last_position >= bands.from_impressions
            and days.first_position <= coalesce(bands.to_impressions, days.first_position)
),

final as (
    select
        customer_id,
        channel,
        campaign_id,
        band_name,
        from_impressions,
        sum(band_impressions) as band_impressions,
        sum(clicks * share) as band_clicks,
        sum(case when prior_clicks = 0 then band_impressions else 0 end) as impressions_at_risk,
        sum(case when prior_clicks = 0 and clicks > 0 then share else 0 end) as first_click_share
    from in_bands
    group by customer_id, channel, campaign_id, band_name, from_impressions
)

select * from final
