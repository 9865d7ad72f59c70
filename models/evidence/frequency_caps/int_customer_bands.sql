{{ config(schema='intermediate') }}

with spell_bands as (
    select
        bands.*,
        bands.from_impressions = max(bands.from_impressions) over spell as is_last_band,
        sum(bands.band_impressions) over spell as spell_impressions,
        sum(bands.band_clicks) over spell as spell_clicks,
        max(case when bands.from_impressions = 1 then bands.band_impressions end) over spell as first_band_impressions,
        max(case when bands.from_impressions = 1 then bands.band_clicks end) over spell as first_band_clicks
    from {{ ref('int_spell_bands') }} as bands
    window spell as (partition by bands.customer_id, bands.channel, bands.campaign_id)
),

customer_bands as (
    select
        bands.customer_id,
        bands.channel,
        bands.band_name,
        bands.from_impressions,
        sum(bands.band_impressions) as band_impressions,
        sum(bands.band_clicks) as band_clicks,
        sum(case when bands.is_last_band then bands.spell_impressions else 0 end) as total_impressions,
        sum(case when bands.is_last_band then bands.spell_clicks else 0 end) as total_clicks,
        sum(bands.impressions_at_risk) as impressions_at_risk,
        sum(bands.first_click_share) as first_click_share,
        sum(bands.band_clicks * spells.other_expected_clicks) as weighted_clicks,
        sum(bands.band_impressions * spells.first_response * spells.other_clicks) as weighted_expected,
        sum(bands.band_clicks * bands.first_band_impressions / (bands.band_impressions + bands.first_band_impressions)) as within_band,
        sum(bands.first_band_clicks * bands.band_impressions / (bands.band_impressions + bands.first_band_impressions)) as within_first
    from spell_bands as bands
    inner join {{ ref('int_spell_expectations') }} as spells
        on
            bands.customer_id = spells.customer_id
            and bands.channel = spells.channel
            and bands.campaign_id = spells.campaign_id
    group by bands.customer_id, bands.channel, bands.band_name, bands.from_impressions
),

final as (
    select
        *,
        max(case when from_impressions = 1 then weighted_clicks end) over customer as first_weighted_clicks,
        max(case when from_impressions = 1 then weighted_expected end) over customer as first_weighted_expected
    from customer_bands
    window customer as (partition by customer_id, channel)
)

select * from final
