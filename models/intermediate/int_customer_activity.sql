with activities as (
    select
        customer_id,
        joined_on as active_on
    from {{ ref('stg_customers') }}
    union all
    select
        customer_id,
        transacted_on as active_on
    from {{ ref('stg_transactions') }}
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
        max(active_on) as last_activity_on
    from activities
    group by customer_id
)

select * from final
