with record as (
    select
        min(months.month_starts_on) as first_day,
        max(as_of.as_of_on) as last_day
    from {{ ref('int_months') }} as months
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select {{ days_between('first_day', 'last_day') }} as day_on
    from record
)

select * from final
