{{ config(materialized='view', meta={'rows_of_each': 'customer_id'}) }}

with sends as (
    select
        engagements.campaign_id,
        engagements.channel,
        engagements.customer_id,
        engagements.occurred_on,
        coalesce(engagements.occurred_on < customers.joined_on, false) as is_before_joining
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('stg_customers') }} as customers on engagements.customer_id = customers.customer_id
    where not engagements.is_holdout and engagements.impressions > 0
),

closings as (
    select
        holdings.customer_id,
        holdings.closed_on
    from {{ ref('stg_product_holdings') }} as holdings
    inner join {{ ref('as_of') }} as as_of on holdings.closed_on <= as_of.as_of_on
),

withdrawals as (
    select
        periods.customer_id,
        periods.withdrawn_on
    from {{ ref('int_consent_periods') }} as periods
    inner join {{ ref('as_of') }} as as_of on periods.withdrawn_on <= as_of.as_of_on
),

final as (
    select
        sends.campaign_id,
        sends.channel,
        sends.customer_id,
        max(sends.is_before_joining) as is_sent_before_joining,
        max(consents.customer_id is null) as is_sent_without_consent,
        max(withdrawals.customer_id is not null) as is_unsubscribed,
        max(closings.customer_id is not null) as has_closed_holding
    from sends
    left join {{ ref('int_consent_periods') }} as consents
        on
            sends.customer_id = consents.customer_id
            and consents.given_on <= sends.occurred_on
            and consents.withdrawn_on >= sends.occurred_on
    left join withdrawals
        on
            sends.customer_id = withdrawals.customer_id
            and {{ is_after_send('withdrawals.withdrawn_on', 'sends.occurred_on') }}
    left join closings
        on
            sends.customer_id = closings.customer_id
            and {{ is_after_send('closings.closed_on', 'sends.occurred_on') }}
    group by sends.campaign_id, sends.channel, sends.customer_id
)

select * from final
