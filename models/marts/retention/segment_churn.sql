with observed as (
    select min(first_active_on) as first_day from {{ ref('int_customer_active_months') }}
    having count(*) > 0
),

customers as (
    select
        members.segmentation,
        members.segment_id,
        members.segment_name,
        {{ can_have_churned('observed.first_day', 'as_of.as_of_on') }}
        and ({{ can_have_churned('customers.joined_on', 'as_of.as_of_on') }} or customers.joined_on is null) as is_observed,
        {{ is_churned('activity.last_activity_on', 'as_of.as_of_on') }} as has_churned
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('stg_customers') }} as customers on members.customer_id = customers.customer_id
    cross join {{ ref('as_of') }} as as_of
    cross join observed
    left join {{ ref('int_customer_activity') }} as activity on members.customer_id = activity.customer_id
),

summed as (
    select
        segmentation,
        segment_id,
        segment_name,
        count(*) as customer_count,
        count(case when is_observed then 1 end) as observed_customer_count,
        count(case when is_observed and has_churned then 1 end) as churned_customer_count
    from customers
    group by segmentation, segment_id, segment_name
),

final as (
    select
        *,
        {{ ratio('churned_customer_count', 'observed_customer_count') }} as churn_rate,
        {{ proportion_low('churned_customer_count', 'observed_customer_count') }} as churn_rate_low,
        {{ proportion_high('churned_customer_count', 'observed_customer_count') }} as churn_rate_high,
        {{ names_where({'nobody_observed': 'observed_customer_count = 0'}) }} as null_reasons,
        {{ is_small_cell('observed_customer_count', 'churned_customer_count') }} as is_small_cell
    from summed
)

select * from final
