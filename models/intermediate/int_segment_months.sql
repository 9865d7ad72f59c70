with seen as (
    select
        customer_id,
        min(opened_on) as seen_on
    from {{ ref('stg_product_holdings') }}
    group by customer_id
    union all
    select
        customer_id,
        min(occurred_on) as seen_on
    from {{ ref('stg_campaign_engagements') }}
    where not is_holdout and impressions > 0
    group by customer_id
),

first_seen as (
    select
        customer_id,
        min(seen_on) as seen_on
    from seen
    group by customer_id
),

-- A customer whose day of joining is unknown counts in every month.
counted as (
    select
        members.segmentation,
        members.segment_id,
        case
            when customers.joined_on is not null
                then cast(date_trunc('month', least(customers.joined_on, first_seen.seen_on)) as date)
        end as counts_from,
        count(*) as customer_count
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('stg_customers') }} as customers on members.customer_id = customers.customer_id
    left join first_seen on members.customer_id = first_seen.customer_id
    group by members.segmentation, members.segment_id, counts_from
),

final as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        months.month_starts_on,
        cast(coalesce(sum(case
            when counted.counts_from is null or counted.counts_from <= months.month_starts_on
                then counted.customer_count
        end), 0) as bigint) as customer_count
    from {{ ref('segments') }} as segments
    cross join {{ ref('int_months') }} as months
    left join counted
        on segments.segmentation = counted.segmentation and segments.segment_id = counted.segment_id
    where segments.grain = 'customer'
    group by segments.segmentation, segments.segment_id, segments.segment_name, months.month_starts_on
)

select * from final
