with as_of as (
    select
        as_of_on,
        cast({{ dbt.dateadd('day', -var('window_days'), 'as_of_on') }} as date) as last_day_before_window
    from {{ ref('as_of') }}
),

accepted as (
    select
        members.segmentation,
        engagements.channel,
        sum(engagements.impressions) as accepted_count
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('stg_customers') }} as customers on engagements.customer_id = customers.customer_id
    inner join {{ ref('segment_members') }} as members
        on engagements.customer_id = members.entity_id and members.grain = 'customer'
    cross join as_of
    where
        engagements.occurred_on > as_of.last_day_before_window
        and not engagements.is_holdout
        and (
            customers.birth_year is null
            or year(as_of.as_of_on) - customers.birth_year >= {{ var('minimum_marketing_age') }}
        )
    group by members.segmentation, engagements.channel
),

compared as (
    select
        segmentation,
        'segment_channel_engagement' as mart,
        channel,
        accepted_count,
        0 as segment_count
    from accepted
    union all
    select
        segmentation,
        'segment_engagement' as mart,
        'all' as channel,
        accepted_count,
        0 as segment_count
    from accepted
    union all
    select
        segmentation,
        'segment_channel_engagement' as mart,
        channel,
        0 as accepted_count,
        impression_count as segment_count
    from {{ ref('segment_channel_engagement') }}
    union all
    select
        segmentation,
        'segment_engagement' as mart,
        'all' as channel,
        0 as accepted_count,
        impression_count as segment_count
    from {{ ref('segment_engagement') }}
)

select
    segmentation,
    mart,
    channel,
    sum(accepted_count) as accepted_count,
    sum(segment_count) as segment_count
from compared
group by segmentation, mart, channel
having coalesce(sum(accepted_count), 0) <> coalesce(sum(segment_count), 0)
