{{ config(schema='intermediate') }}

with final as (
    select
        engagements.campaign_id,
        engagements.channel,
        min(engagements.occurred_on) as first_on,
        max(engagements.occurred_on) as last_on
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    where not engagements.is_holdout and engagements.impressions > 0 and engagements.clicks is not null
    group by engagements.campaign_id, engagements.channel
)

select * from final
