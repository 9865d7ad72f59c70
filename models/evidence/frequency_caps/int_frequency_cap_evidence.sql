{{ config(schema='intermediate') }}

with readings as (
    select * from {{ ref('int_frequency_cap_readings') }}
),

final as (
    select
        counts.group_id,
        counts.channel,
        counts.customer_count,
        counts.history_click_count,
        counts.expected_clicks_after,
        coalesce(delivery.delivery, 'unknown') as delivery,
        delivery.odds_ratio,
        delivery.log_error as odds_log_error,
        coalesce(affinity.affinity, 'unknown') as affinity,
        affinity.affinity_ratio,
        affinity.log_error as affinity_log_error,
        coalesce(within_customers.reading, 'weak') as reading_within,
        coalesce(across_campaigns.reading, 'weak') as reading_across
    from {{ ref('int_frequency_cap_counts') }} as counts
    left join {{ ref('int_delivery_dependence') }} as delivery on counts.channel = delivery.channel
    cross join {{ ref('int_finer_affinity') }} as affinity
    left join readings as within_customers
        on
            counts.group_id = within_customers.group_id
            and counts.channel = within_customers.channel
            and within_customers.comparison = 'within_customers'
    left join readings as across_campaigns
        on
            counts.group_id = across_campaigns.group_id
            and counts.channel = across_campaigns.channel
            and across_campaigns.comparison = 'across_campaigns'
)

select * from final
