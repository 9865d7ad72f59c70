{{ config(meta={'rows_of_each': 'customer_id'}) }}

-- Held back or not reached is no contact.
with contact_days as (
    select distinct
        customer_id,
        occurred_on
    from {{ ref('stg_campaign_engagements') }}
    where impressions > 0
),

contacts as (
    select
        contact_days.customer_id,
        max(contact_days.occurred_on) as last_contact_on,
        count(
            case
                when contact_days.occurred_on > {{ dbt.dateadd('day', -var('contact_days'), 'as_of.as_of_on') }}
                    then contact_days.occurred_on
            end
        ) as contact_day_count
    from contact_days
    cross join {{ ref('as_of') }} as as_of
    group by contact_days.customer_id
),

known as (
    select
        adults.customer_id,
        coalesce(customers.marketing_consent, false) as has_consent,
        coalesce(not {{ is_minor('customers.birth_year', 'as_of.as_of_on') }}, false) as is_known_adult,
        contacts.last_contact_on,
        coalesce(contacts.contact_day_count, 0) as contact_day_count
    from {{ ref('int_adult_customers') }} as adults
    inner join {{ ref('stg_customers') }} as customers on adults.customer_id = customers.customer_id
    cross join {{ ref('as_of') }} as as_of
    left join contacts on adults.customer_id = contacts.customer_id
),

final as (
    select
        customer_id,
        has_consent,
        is_known_adult,
        last_contact_on,
        cast(contact_day_count as bigint) as contact_day_count,
        has_consent and is_known_adult and contact_day_count < {{ var('contact_limit') }} as is_contactable
    from known
)

select * from final
