{{ config(schema='intermediate') }}

with channel_customers as (
    select
        channel,
        customer_id,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(case when prior_impressions >= {{ var('no_cap_reach') }} then impressions else 0 end) as impressions_after
    from {{ ref('int_impression_days') }}
    group by channel, customer_id
),

channels as (
    select distinct channel from channel_customers
),

counts as (
    select
        members.group_id,
        channel_customers.channel,
        count(*) as customer_count,
        cast(sum(channel_customers.clicks) as bigint) as history_click_count,
        {{ ratio('sum(channel_customers.clicks)', 'sum(channel_customers.impressions)') }}
        * cast(sum(channel_customers.impressions_after) as double) as expected_clicks_after
    from channel_customers
    inner join {{ ref('int_group_members') }} as members on channel_customers.customer_id = members.customer_id
    group by members.group_id, channel_customers.channel
),

final as (
    select
        customer_groups.group_id,
        channels.channel,
        coalesce(counts.customer_count, 0) as customer_count,
        coalesce(counts.history_click_count, 0) as history_click_count,
        counts.expected_clicks_after
    from {{ ref('int_customer_groups') }} as customer_groups
    cross join channels
    left join counts on customer_groups.group_id = counts.group_id and channels.channel = counts.channel
)

select * from final
