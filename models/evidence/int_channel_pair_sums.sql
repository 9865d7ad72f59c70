{{ config(schema='intermediate') }}

with customers as (
    select
        members.segmentation,
        members.segment_id,
        engagement.customer_id,
        engagement.channel,
        cast(engagement.click_count as double) as clicks,
        cast(engagement.impression_count as double) as impressions
    from {{ ref('int_customer_channel_engagement') }} as engagement
    inner join {{ ref('customer_segments') }} as members on engagement.customer_id = members.customer_id
    where engagement.click_count is not null
),

final as (
    select
        one.segmentation,
        one.segment_id,
        one.channel,
        other.channel as other_channel,
        count(*) as customer_count,
        sum(one.clicks) as click_count,
        sum(one.impressions) as impression_count,
        sum(one.clicks * other.clicks) as clicks_times_clicks,
        sum(one.clicks * other.impressions) as clicks_times_impressions,
        sum(one.impressions * other.impressions) as impressions_times_impressions
    from customers as one
    inner join customers as other
        on one.segmentation = other.segmentation and one.customer_id = other.customer_id
    group by one.segmentation, one.segment_id, one.channel, other.channel
)

select * from final
