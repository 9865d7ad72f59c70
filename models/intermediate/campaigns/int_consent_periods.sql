{{ config(meta={'rows_of_each': 'customer_id'}) }}

with deliveries as (
    select
        customers.customer_id,
        customers.joined_on,
        coalesce(customers.marketing_consent, false) as consents,
        customers.consent_changed_at,
        customers.updated_at,
        row_number() over (
            partition by customers.customer_id
            order by customers.updated_at asc nulls first, customers.source_file asc nulls first, customers.source_row asc
        ) as delivery_number
    from {{ ref('base_customers') }} as customers
    inner join {{ ref('stg_customers') }} as accepted on customers.customer_id = accepted.customer_id
    cross join {{ ref('as_of') }} as as_of
    where
        customers.row_status = 'accepted'
        or (
            customers.row_status = 'superseded'
            and not coalesce(customers.is_deleted, false)
            and coalesce(cast(customers.updated_at as date) <= as_of.as_of_on, true)
        )
),

-- A change without its moment was made by the delivery that brought it; what the first one says held before.
dated as (
    select
        customer_id,
        joined_on,
        consents,
        delivery_number,
        cast(coalesce(consent_changed_at, case when delivery_number > 1 then updated_at end) as date) as changed_on,
        coalesce(consent_changed_at, case when delivery_number > 1 then updated_at end) as changed_at
    from deliveries
),

corrected as (
    select
        *,
        row_number() over (partition by customer_id, changed_at order by delivery_number desc) as correction_number
    from dated
),

sequenced as (
    select
        customer_id,
        consents,
        changed_on,
        changed_at,
        coalesce(
            lag(consents) over (partition by customer_id order by changed_at asc nulls first),
            not consents and not {{ is_refusal_at_joining('consents', 'changed_on', 'joined_on') }}
        ) as consented_before
    from corrected
    where correction_number = 1
),

changes as (
    select
        customer_id,
        consents,
        changed_on,
        lead(changed_on) over (partition by customer_id order by changed_at asc nulls first) as next_changed_on,
        lag(consents) over (partition by customer_id order by changed_at asc nulls first) is null as is_first
    from sequenced
    where consents <> consented_before
),

final as (
    select
        customer_id,
        case when consents then coalesce(changed_on, date '0001-01-01') else date '0001-01-01' end as given_on,
        coalesce(case when consents then next_changed_on else changed_on end, date '9999-12-31') as withdrawn_on
    from changes
    where consents or is_first
)

select * from final
