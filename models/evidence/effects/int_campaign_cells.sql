{{ config(schema='intermediate') }}

with scopes as (
    select false as is_all_customers
    union all
    select true as is_all_customers
),

final as (
    select
        members.segmentation,
        case when scopes.is_all_customers then 0 else members.segment_id end as segment_id,
        arms.campaign_id,
        count(case when arms.arm = 'treated' then 1 end) as treated_count,
        count(case when arms.arm = 'treated' and arms.is_reached then 1 end) as reached_count,
        count(case when arms.arm = 'holdout' then 1 end) as holdout_count,
        count(case when arms.arm = 'holdout' and arms.is_contaminated then 1 end) as contaminated_holdout_count,
        count(case when arms.arm = 'both' then 1 end) as both_arms_count,
        count(case when arms.arm = 'joined_after' then 1 end) as joined_after_count,
        cast(sum(case when arms.arm = 'treated' then arms.platform_conversion_count end) as bigint) as platform_conversion_count,
        cast(sum(case when arms.arm = 'treated' then arms.campaign_cost end) as double) as campaign_cost
    from {{ ref('int_campaign_arms') }} as arms
    inner join {{ ref('customer_segments') }} as members on arms.customer_id = members.customer_id
    cross join scopes
    group by
        members.segmentation,
        case when scopes.is_all_customers then 0 else members.segment_id end,
        arms.campaign_id
)

select * from final
