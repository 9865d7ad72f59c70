{{ config(schema='intermediate') }}

with assigned as (
    select
        engagements.campaign_id,
        engagements.customer_id,
        max(case when engagements.is_holdout then 1 else 0 end) as is_held_out,
        max(case when engagements.is_holdout then 0 else 1 end) as is_addressed,
        sum(engagements.impressions) as impression_count,
        sum(engagements.conversions) as platform_conversion_count,
        sum(engagements.cost_amount) as campaign_cost
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('int_campaign_windows') }} as windows on engagements.campaign_id = windows.campaign_id
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    group by engagements.campaign_id, engagements.customer_id
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
        assigned.impression_count > 0 as is_reached,
        assigned.platform_conversion_count,
        assigned.campaign_cost
    from assigned
    inner join {{ ref('int_campaign_windows') }} as windows on assigned.campaign_id = windows.campaign_id
    inner join {{ ref('stg_customers') }} as customers on assigned.customer_id = customers.customer_id
)

select * from final
