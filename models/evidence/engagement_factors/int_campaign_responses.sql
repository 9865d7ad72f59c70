{{ config(schema='intermediate', meta={'rows_of_each': 'customer_id'}) }}

with engagements as (
    select
        engagements.*,
        channels.has_opens and engagements.impressions > 0 and engagements.opens is not null as is_openable
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('int_adult_customers') }} as adults on engagements.customer_id = adults.customer_id
    left join {{ ref('channels') }} as channels on engagements.channel = channels.channel
),

customers as (
    select
        campaign_id,
        customer_id,
        min(case when impressions > 0 then occurred_on end) as first_contact_on,
        max(case when is_openable and opens > 0 then 1 when is_openable then 0 end) as campaign_opened,
        max(case when impressions > 0 and clicks > 0 then 1 when impressions > 0 and clicks = 0 then 0 end)
            as campaign_clicked,
        max(case when conversions > 0 then 1 when conversions = 0 then 0 end) as campaign_converted
    from engagements
    group by campaign_id, customer_id
    having max(case when is_holdout then 1 else 0 end) = 0
),

final as (
    select
        customers.campaign_id,
        customers.customer_id,
        campaigns.starts_on,
        campaigns.ends_on,
        cast({{ dbt.dateadd('day', -1, 'campaigns.starts_on') }} as date) as known_on,
        cast({{ dbt.dateadd('day', -1 - var('window_days'), 'campaigns.starts_on') }} as date) as history_starts_after,
        cast({{ dbt.dateadd('day', -1 - var('recent_contact_days'), 'campaigns.starts_on') }} as date) as recent_starts_after,
        -- 1 for Monday to 7 for Sunday on every engine: 1900-01-01 was a Monday.
        {{ dbt.datediff("cast('1900-01-01' as date)", 'customers.first_contact_on', 'day') }} % 7 + 1 as first_contact_weekday,
        customers.campaign_opened,
        customers.campaign_clicked,
        customers.campaign_converted
    from customers
    inner join {{ ref('stg_campaigns') }} as campaigns on customers.campaign_id = campaigns.campaign_id
)

select * from final
