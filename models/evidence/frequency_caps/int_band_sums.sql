{{ config(schema='intermediate') }}

with final as (
    select
        members.group_id,
        bands.channel,
        bands.band_name,
        bands.from_impressions,
        {{ band_sums('naive', 'total_clicks', 'total_impressions') }},
        {{ band_sums('position', 'band_clicks', 'band_impressions') }},
        {{ band_sums('across', 'weighted_clicks', 'weighted_expected') }},
        {{ band_sums('within', 'within_band', 'within_first') }},
        {{ band_sums('hazard', 'first_click_share', 'impressions_at_risk') }},
        sum(bands.weighted_clicks * bands.first_weighted_clicks) as across_y_first_y,
        sum(bands.weighted_clicks * bands.first_weighted_expected) as across_y_first_x,
        sum(bands.weighted_expected * bands.first_weighted_clicks) as across_x_first_y,
        sum(bands.weighted_expected * bands.first_weighted_expected) as across_x_first_x
    from {{ ref('int_customer_bands') }} as bands
    inner join {{ ref('int_group_members') }} as members on bands.customer_id = members.customer_id
    group by members.group_id, bands.channel, bands.band_name, bands.from_impressions
)

select * from final
