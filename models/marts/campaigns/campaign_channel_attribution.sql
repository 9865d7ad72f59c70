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
        {{ amount_of_cents('sum(case when not has_touch then attributed_cents else 0 end)') }} as attributed_untouched_revenue_amount
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
        cast(coalesce(attributed.attributed_untouched_revenue_amount, 0) as decimal(38, 2)) as attributed_untouched_revenue_amount,
        coalesce(attributed.attributed_customer_count, 0) as attributed_customer_count
    from channels
    left join attributed
        on channels.campaign_id = attributed.campaign_id and channels.channel = attributed.channel
),

final as (
    select
        *,
        '{{ var('attribution_rule') }}' as attribution_rule,
        {{ names_where({'unknown_revenue': 'revenue_amount is null', 'unknown_cost': 'cost_amount is null'}) }} as null_reasons
    from credited
)

select * from final
