{{ config(schema='intermediate') }}

-- A digest puts customers in an order that is the same in every build and has to do with nothing.
with placed as (
    select
        *,
        row_number() over (partition by campaign_id order by md5(customer_id), customer_id) as place
    from {{ ref('int_campaign_outcomes') }}
),

sampled as (
    select * from placed
    where place <= {{ var('policy_sample_customers') }}
),

valued as (
    select
        campaign_id,
        customer_id,
        arm,
        'conversion' as outcome,
        has_opened as outcome_value
    from sampled
    union all
    -- Without a cost handed in, revenue less cost is unknown; those held out cost nothing.
    select
        sampled.campaign_id,
        sampled.customer_id,
        sampled.arm,
        'revenue_less_cost' as outcome,
        sampled.revenue - case when sampled.arm = 'treated' then coalesce(arms.campaign_cost, 0) else 0 end as outcome_value
    from sampled
    inner join {{ ref('int_campaign_arms') }} as arms
        on sampled.campaign_id = arms.campaign_id and sampled.customer_id = arms.customer_id
    inner join (
        select campaign_id from {{ ref('int_campaign_arms') }}
        group by campaign_id
        having sum(case when arm = 'treated' then campaign_cost end) > 0
    ) as costed on sampled.campaign_id = costed.campaign_id
),

final as (
    select
        members.segmentation,
        members.segment_id,
        valued.campaign_id,
        valued.customer_id,
        valued.outcome,
        case when valued.arm = 'treated' then 1e0 else 0e0 end as is_treated,
        cast(valued.outcome_value as double) as outcome_value,
        1 - cast(checks.planned_holdout_share as double) as treated_share
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
)

select * from final
