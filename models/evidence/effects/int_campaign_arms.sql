{{ config(schema='intermediate', meta={'rows_of_each': 'customer_id'}) }}

with assigned as (
    select
        assignments.campaign_id,
        assignments.customer_id,
        max(case when assignments.is_holdout then 1 else 0 end) as is_held_out,
        max(case when assignments.is_holdout then 0 else 1 end) as is_addressed,
        max(case when assignments.is_contaminated then 1 else 0 end) = 1 as is_contaminated,
        sum(assignments.impressions) as impression_count,
        sum(assignments.conversions) as platform_conversion_count,
        sum(assignments.cost_amount) as campaign_cost
    from {{ ref('int_campaign_assignments') }} as assignments
    inner join {{ ref('int_campaign_windows') }} as windows on assignments.campaign_id = windows.campaign_id
    inner join {{ ref('int_adult_customers') }} as adults on assignments.customer_id = adults.customer_id
    group by assignments.campaign_id, assignments.customer_id
),

final as (
    select
        assigned.campaign_id,
        assigned.customer_id,
        case
            when assigned.is_held_out + assigned.is_addressed = 2 then 'both'
            when customers.joined_on > windows.starts_on then 'joined_after'
            when assigned.is_held_out = 1 then 'holdout'
            else 'treated'
        end as arm,
        cast({{ dbt.datediff('customers.joined_on', 'windows.starts_on', 'day') }} as double) as tenure_days,
        coalesce(assigned.impression_count > 0, false) as is_reached,
        assigned.is_contaminated,
        assigned.platform_conversion_count,
        assigned.campaign_cost
    from assigned
    inner join {{ ref('int_campaign_windows') }} as windows on assigned.campaign_id = windows.campaign_id
    inner join {{ ref('stg_customers') }} as customers on assigned.customer_id = customers.customer_id
)

select * from final
