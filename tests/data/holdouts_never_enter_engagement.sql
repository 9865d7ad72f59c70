{#- Holdout rows have no impressions, so that only conversions, and the customers reached, would show them. -#}
with as_of as (
    select
        as_of_on,
        cast({{ dbt.dateadd('day', -var('window_days'), 'as_of_on') }} as date) as last_day_before_window
    from {{ ref('as_of') }}
),

customers_by_channel as (
    select
        members.segmentation,
        members.segment_id,
        engagements.channel,
        engagements.customer_id,
        sum(engagements.conversions) as conversion_count
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
    group by members.segmentation, members.segment_id, engagements.channel, engagements.customer_id
    having max(engagements.impressions) > 0
),

expected as (
    select
        segmentation,
        segment_id,
        channel,
        count(*) as reached_customer_count,
        sum(conversion_count) as conversion_count
    from customers_by_channel
    group by segmentation, segment_id, channel
)

select
    cells.segmentation,
    cells.segment_id,
    cells.channel,
    cells.reached_customer_count,
    expected.reached_customer_count as expected_customer_count,
    cells.conversion_count,
    expected.conversion_count as expected_conversion_count
from {{ ref('segment_channel_engagement') }} as cells
left join expected
    on
        cells.segmentation = expected.segmentation
        and cells.segment_id = expected.segment_id
        and cells.channel = expected.channel
where
    cells.reached_customer_count <> coalesce(expected.reached_customer_count, 0)
    or coalesce(cells.conversion_count, 0) <> coalesce(expected.conversion_count, 0)
