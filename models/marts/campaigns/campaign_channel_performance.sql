with customers as (
    select
        campaign_id,
        channel,
        channel_group,
        customer_id,
        {{ campaign_customer_sums() }}
    from {{ ref('int_campaign_channel_customers') }}
    group by campaign_id, channel, channel_group, customer_id
),

summed as (
    select
        campaign_id,
        channel,
        channel_group,
        {{ campaign_sums() }}
    from customers
    group by campaign_id, channel, channel_group
),

moments as (
    select
        campaign_id,
        channel,
        {{ campaign_moments() }}
    from summed
),

rated as (
    select
        summed.*,
        {{ campaign_rates() }}
    from summed
    inner join moments
        on
            summed.campaign_id = moments.campaign_id
            and summed.channel = moments.channel
),

final as (
    select
        *,
        {{ campaign_conclusions() }}
    from rated
)

select * from final
