{{ config(schema='intermediate') }}

with deliveries as (
    select
        customer_id,
        cast(updated_at as date) as known_from,
        monthly_income,
        account_balance,
        loyalty_score,
        case when marketing_consent then 1 else 0 end as has_consented,
        row_number() over (
            partition by customer_id, cast(updated_at as date)
            order by updated_at desc, source_file desc nulls last, source_row desc nulls last
        ) as day_delivery_number
    from {{ ref('base_customers') }}
    where row_status in ('accepted', 'superseded') and not coalesce(is_deleted, false) and updated_at is not null
),

final as (
    select
        customer_id,
        known_from,
        lead(known_from) over (partition by customer_id order by known_from) as known_before,
        monthly_income,
        account_balance,
        loyalty_score,
        has_consented
    from deliveries
    where day_delivery_number = 1
)

select * from final
