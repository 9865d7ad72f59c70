with adults as (
    select customers.customer_id
    from {{ ref('stg_customers') }} as customers
    cross join {{ ref('as_of') }} as as_of
    where not coalesce({{ is_minor('customers.birth_year', 'as_of.as_of_on') }}, false)
),

accepted as (
    select
        engagements.channel,
        sum(engagements.impressions) as impressions
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join adults on engagements.customer_id = adults.customer_id
    where not engagements.is_holdout and engagements.impressions > 0 and engagements.clicks is not null
    group by engagements.channel
),

bands as (
    select
        coalesce(segmentation, 'all customers') as covered,
        channel,
        sum(band_impression_count) as in_bands,
        sum(naive_impression_count) as in_whole_campaigns
    from {{ ref('segment_channel_impression_bands') }}
    group by coalesce(segmentation, 'all customers'), channel
)

select
    bands.covered,
    coalesce(accepted.channel, bands.channel) as channel,
    accepted.impressions,
    bands.in_bands,
    bands.in_whole_campaigns
from accepted
full outer join bands on accepted.channel = bands.channel
where
    coalesce(accepted.impressions, -1) <> coalesce(bands.in_bands, -1)
    or coalesce(accepted.impressions, -1) <> coalesce(bands.in_whole_campaigns, -1)
