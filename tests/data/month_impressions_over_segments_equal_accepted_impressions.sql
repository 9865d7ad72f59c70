{#- Conversions may be left out, so what every accepted row has is compared: impressions and clicks. -#}
with as_of as (
    select as_of_on from {{ ref('as_of') }}
),

accepted as (
    select
        members.segmentation,
        year(engagements.occurred_on) * 100 + month(engagements.occurred_on) as month_number,
        sum(engagements.impressions) as impression_count,
        sum(engagements.clicks) as click_count,
        count(distinct case when engagements.impressions > 0 then engagements.customer_id end) as reached_customer_count
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('stg_customers') }} as customers on engagements.customer_id = customers.customer_id
    inner join {{ ref('segment_members') }} as members
        on engagements.customer_id = members.entity_id and members.grain = 'customer'
    cross join as_of
    where
        not engagements.is_holdout
        and (
            customers.birth_year is null
            or year(as_of.as_of_on) - customers.birth_year >= {{ var('minimum_marketing_age') }}
        )
    group by members.segmentation, year(engagements.occurred_on) * 100 + month(engagements.occurred_on)
),

over_segments as (
    select
        segmentation,
        year(month_starts_on) * 100 + month(month_starts_on) as month_number,
        sum(impression_count) as impression_count,
        sum(click_count) as click_count,
        sum(reached_customer_count) as reached_customer_count
    from {{ ref('segment_month_engagement') }}
    group by segmentation, year(month_starts_on) * 100 + month(month_starts_on)
)

select
    coalesce(accepted.segmentation, over_segments.segmentation) as segmentation,
    coalesce(accepted.month_number, over_segments.month_number) as month_number,
    accepted.impression_count as accepted_impression_count,
    over_segments.impression_count,
    accepted.click_count as accepted_click_count,
    over_segments.click_count,
    accepted.reached_customer_count as accepted_customer_count,
    over_segments.reached_customer_count
from accepted
full outer join over_segments
    on accepted.segmentation = over_segments.segmentation and accepted.month_number = over_segments.month_number
where
    coalesce(accepted.impression_count, 0) <> coalesce(over_segments.impression_count, 0)
    or coalesce(accepted.click_count, 0) <> coalesce(over_segments.click_count, 0)
    or coalesce(accepted.reached_customer_count, 0) <> coalesce(over_segments.reached_customer_count, 0)
