with customers as (
    select
        campaign_id,
        customer_id,
        {{ campaign_customer_sums() }}
    from {{ ref('int_campaign_channel_customers') }}
    group by campaign_id, customer_id
),

-- Of one product in overlapping days: platforms may report one conversion for each.
overlapping as (
    select
        campaigns.campaign_id,
        count(others.campaign_id) as overlapping_campaign_count
    from {{ ref('stg_campaigns') }} as campaigns
    left join {{ ref('stg_campaigns') }} as others
        on
            campaigns.product = others.product
            and campaigns.campaign_id <> others.campaign_id
            and campaigns.starts_on <= others.ends_on
            and campaigns.ends_on >= others.starts_on
    group by campaigns.campaign_id
),

summed as (
    select
        campaigns.campaign_id,
        {{ campaign_sums() }}
    from {{ ref('stg_campaigns') }} as campaigns
    left join customers on campaigns.campaign_id = customers.campaign_id
    group by campaigns.campaign_id
),

moments as (
    select
        campaign_id,
        {{ campaign_moments() }}
    from summed
),

rated as (
    select
        summed.*,
        {{ campaign_rates() }}
    from summed
    inner join moments on summed.campaign_id = moments.campaign_id
),

final as (
    select
        rated.*,
        {{ campaign_conclusions() }},
        campaigns.campaign_name,
        campaigns.objective,
        campaigns.product,
        campaigns.starts_on,
        campaigns.ends_on,
        campaigns.planned_holdout_share,
        campaigns.budget_amount,
        {{ ratio('rated.cost_amount', 'campaigns.budget_amount') }} as budget_use,
        case
            when campaigns.budget_amount = 0 then 'no_budget'
            when campaigns.budget_amount is null then 'unknown_budget'
            when rated.cost_amount is null then 'unknown_cost'
        end as budget_use_reason,
        overlapping.overlapping_campaign_count
    from rated
    inner join {{ ref('stg_campaigns') }} as campaigns on rated.campaign_id = campaigns.campaign_id
    inner join overlapping on rated.campaign_id = overlapping.campaign_id
)

select * from final
