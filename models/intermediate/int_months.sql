with event_days as (
    select
        transacted_on as day,
        count(*) as row_count
    from {{ ref('stg_transactions') }}
    group by transacted_on
    union all
    select
        occurred_on as day,
        count(*) as row_count
    from {{ ref('stg_campaign_engagements') }}
    group by occurred_on
    union all
    select
        used_on as day,
        count(*) as row_count
    from {{ ref('stg_digital_sessions') }}
    group by used_on
),

days as (
    select
        day,
        sum(row_count) as row_count
    from event_days
    group by day
),

-- A single event typed 1962 must not make a month of every month since.
ordinary_days as (
    select
        day,
        {{ is_ordinary_day('row_count') }} as is_ordinary
    from days
),

first_day as (
    select min(case when is_ordinary then day end) as first_event_on
    from ordinary_days
),

record as (
    select
        cast(date_trunc('month', least(
            first_day.first_event_on, cast({{ dbt.dateadd('day', 1, 'as_of.window_starts_after') }} as date)
        )) as date) as first_month,
        cast(date_trunc('month', as_of.as_of_on) as date) as last_month
    from first_day
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select {{ months_between('first_month', 'last_month') }} as month_starts_on
    from record
    union
    select cast(date_trunc('month', occurred_on) as date) as month_starts_on
    from {{ ref('stg_campaign_engagements') }}
    where not is_holdout and impressions > 0
)

select * from final
