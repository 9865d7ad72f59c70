-- A platform that says nothing of a row means 0 there, unless it never says anything.
with final as (
    select
        count(revenue_amount) > 0 as has_revenue,
        count(cost_amount) > 0 as has_cost
    from {{ ref('stg_campaign_engagements') }}
)

select * from final
