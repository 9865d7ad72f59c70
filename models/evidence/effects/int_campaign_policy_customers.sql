{{ config(schema='intermediate') }}

with valued as (
    select
        campaign_id,
        customer_id,
        arm,
        'conversion' as outcome,
        has_opened as outcome_value
    from {{ ref('int_campaign_outcomes') }}
    union all
    -- Without a cost handed in, revenue less cost is unknown; those held out cost nothing.
    select
        outcomes.campaign_id,
        outcomes.customer_id,
        outcomes.arm,
        'revenue_less_cost' as outcome,
        outcomes.revenue - case when outcomes.arm = 'treated' then coalesce(arms.campaign_cost, 0) else 0 end as outcome_value
    from {{ ref('int_campaign_outcomes') }} as outcomes
    inner join {{ ref('int_campaign_arms') }} as arms
        on outcomes.campaign_id = arms.campaign_id and outcomes.customer_id = arms.customer_id
    inner join (
        select campaign_id from {{ ref('int_campaign_arms') }}
        group by campaign_id
        having sum(case when arm = 'treated' then campaign_cost end) > 0
    ) as costed on outcomes.campaign_id = costed.campaign_id
),

-- A digest puts customers in an order that is the same in every build and has to do with nothing.
customers as (
    select
        members.segmentation,
        members.segment_id,
        valued.campaign_id,
        valued.customer_id,
        valued.outcome,
        case when valued.arm = 'treated' then 1e0 else 0e0 end as is_treated,
        cast(valued.outcome_value as double) as outcome_value,
        1 - cast(checks.planned_holdout_share as double) as treated_share,
        row_number() over (
            partition by members.segmentation, valued.campaign_id, valued.outcome
            order by md5(valued.customer_id), valued.customer_id
        ) as place
    from valued
    inner join {{ ref('int_campaign_outcome_checks') }} as checks
        on
            valued.campaign_id = checks.campaign_id
            and checks.outcome = case valued.outcome when 'conversion' then 'conversion' else 'revenue' end
    inner join {{ ref('customer_segments') }} as members on valued.customer_id = members.customer_id
    where
        checks.outcome_status = 'measured'
        and checks.planned_holdout_share > 0
        and checks.planned_holdout_share < 1
),

final as (
    select
        segmentation,
        segment_id,
        campaign_id,
        customer_id,
        outcome,
        is_treated,
        outcome_value,
        treated_share
    from customers
    where place <= {{ var('policy_sample_customers') }}
)

select * from final
