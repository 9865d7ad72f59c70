with channels as (
    select
        campaign_id,
        channel,
        channel_group,
        cast(sum(revenue_amount) as decimal(38, 2)) as revenue_amount,
        cast(sum(cost_amount) as decimal(38, 2)) as cost_amount
    from {{ ref('int_campaign_channel_customers') }}
    group by campaign_id, channel, channel_group
),

credits as (
    select
        campaign_id,
        customer_id,
        channel,
        has_touch,
        {{ attributed_cents() }} as attributed_cents
    from {{ ref('int_attribution_touches') }}
),

attributed as (
    select
        campaign_id,
        channel,
        count(distinct case when attributed_cents <> 0 then customer_id end) as attributed_customer_count,
        {{ amount_of_cents('sum(attributed_cents)') }} as attributed_revenue_amount,
        {{ amount_of_cents('sum(case when not has_touch then attributed_cents else 0 end)') }} as untouched_revenue_amount
    from credits
    group by campaign_id, channel
),

credited as (
    select
        channels.*,
        case
            when channels.revenue_amount is not null
                then cast(coalesce(attributed.attributed_revenue_amount, 0) as decimal(38, 2))
        end as attributed_revenue_amount,
        cast(coalesce(attributed.untouched_revenue_amount, 0) as decimal(38, 2)) as untouched_revenue_amount,
        coalesce(attributed.attributed_customer_count, 0) as attributed_customer_count
    from channels
    left join attributed
        on channels.campaign_id = attributed.campaign_id and channels.channel = attributed.channel
),

final as (
    select
        *,
        '{{ var('attribution_rule') }}' as attribution_rule,
        {{ ratio('attributed_revenue_amount', 'cost_amount') }} as attributed_roas,
        case
            when revenue_amount is null then 'unknown_revenue'
            when cost_amount is null then 'unknown_cost'
            when cost_amount = 0 then 'no_cost'
        end as attributed_roas_reason
    from credited
)

select * from final
