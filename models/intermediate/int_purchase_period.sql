with days as (
    select
        transacted_on,
        count(*) as row_count
    from {{ ref('stg_transactions') }}
    group by transacted_on
),

-- A single transaction typed 1962 must not make customers of today look first seen inside the data.
ordinary_days as (
    select
        transacted_on,
        {{ is_ordinary_day('row_count') }} as is_ordinary
    from days
),

first_day as (
    select min(case when is_ordinary then transacted_on end) as data_starts_on
    from ordinary_days
),

split as (
    select
        first_day.data_starts_on,
        as_of.as_of_on,
        cast(floor({{ var('value_held_out_share') }} * {{ dbt.datediff('first_day.data_starts_on', 'as_of.as_of_on', 'day') }}) as int)
            as held_out_days
    from first_day
    cross join {{ ref('as_of') }} as as_of
),

period as (
    select
        *,
        cast({{ dbt.dateadd('day', '-held_out_days', 'as_of_on') }} as date) as trained_until_on
    from split
),

final as (
    select
        period.data_starts_on,
        period.trained_until_on,
        period.as_of_on,
        period.held_out_days,
        {{ last_year_days('period.trained_until_on') }} as trained_last_year_days,
        {{ last_year_days('period.as_of_on') }} as last_year_days
    from period
)

select * from final
