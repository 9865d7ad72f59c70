{{ config(meta={'rows_of_each': 'customer_id'}) }}

with active_days as (
    select
        customer_id,
        transacted_on as active_on
    from {{ ref('stg_transactions') }}
    where not is_constructed
    union all
    select
        customer_id,
        used_on as active_on
    from {{ ref('stg_digital_sessions') }}
    where session_count > 0
),

final as (
    select
        customer_id,
        cast(date_trunc('month', active_on) as date) as month_starts_on,
        min(active_on) as first_active_on,
        max(active_on) as last_active_on
    from active_days
    group by customer_id, cast(date_trunc('month', active_on) as date)
)

select * from final
