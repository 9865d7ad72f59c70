with activity as (
    select * from {{ ref('int_customer_active_months') }}
),

observed as (
    select min(first_active_on) as first_day from activity
),

months as (
    select distinct activity.month_starts_on
    from activity
    cross join observed
    cross join {{ ref('as_of') }} as as_of
    where {{ is_fully_observed_month('activity.month_starts_on', 'observed.first_day', 'as_of.as_of_on') }}
),

-- Of those who joined before the days on record only who stayed is known, so cohorts begin with the first whole month.
cohorts as (
    select
        members.segmentation,
        members.segment_id,
        members.segment_name,
        members.customer_id,
        months.month_starts_on as cohort_starts_on
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('stg_customers') }} as customers on members.customer_id = customers.customer_id
    inner join months on cast(date_trunc('month', customers.joined_on) as date) = months.month_starts_on
),

summed as (
    select
        cohorts.segmentation,
        cohorts.segment_id,
        cohorts.segment_name,
        cohorts.cohort_starts_on,
        cast({{ dbt.datediff('cohorts.cohort_starts_on', 'months.month_starts_on', 'month') }} as bigint) as months_since_joining,
        count(*) as customer_count,
        count(activity.customer_id) as retained_customer_count
    from cohorts
    inner join months on cohorts.cohort_starts_on <= months.month_starts_on
    left join activity
        on cohorts.customer_id = activity.customer_id and months.month_starts_on = activity.month_starts_on
    group by
        cohorts.segmentation,
        cohorts.segment_id,
        cohorts.segment_name,
        cohorts.cohort_starts_on,
        months.month_starts_on
),

final as (
    select
        *,
        {{ ratio('retained_customer_count', 'customer_count') }} as retention_rate,
        {{ proportion_low('retained_customer_count', 'customer_count') }} as retention_rate_low,
        {{ proportion_high('retained_customer_count', 'customer_count') }} as retention_rate_high,
        {{ is_small_cell('customer_count', 'retained_customer_count') }} as is_small_cell
    from summed
)

select * from final
