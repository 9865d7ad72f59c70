{{ config(schema='intermediate') }}

-- A digest puts customers in an order that is the same in every build and has to do with nothing.
with customers as (
    select
        members.segmentation,
        members.segment_id,
        outcomes.campaign_id,
        outcomes.customer_id,
        case when outcomes.arm = 'treated' then 1e0 else 0e0 end as is_treated,
        outcomes.has_opened as outcome_value,
        1 - cast(checks.planned_holdout_share as double) as treated_share,
        row_number() over (
            partition by members.segmentation, outcomes.campaign_id
            order by md5(outcomes.customer_id), outcomes.customer_id
        ) as place
    from {{ ref('int_campaign_outcomes') }} as outcomes
    inner join {{ ref('int_campaign_checks') }} as checks on outcomes.campaign_id = checks.campaign_id
    inner join {{ ref('customer_segments') }} as members on outcomes.customer_id = members.customer_id
    where
        checks.campaign_status = 'measured'
        and checks.product is not null
        and checks.planned_holdout_share > 0
        and checks.planned_holdout_share < 1
),

final as (
    select
        segmentation,
        segment_id,
        campaign_id,
        customer_id,
        is_treated,
        outcome_value,
        treated_share
    from customers
    where place <= {{ var('policy_sample_customers') }}
)

select * from final
