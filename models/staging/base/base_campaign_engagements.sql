{{ config(materialized='table', meta={'rows_of_each': 'customer_id', 'day': 'occurred_on'}) }}
{% set raw = received('campaign_engagements') %}
{% set keys = {'engagement_id': to_text(raw, 'engagement_id')} %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

customers as (
    select customer_id as known_customer_id from {{ ref('stg_customers') }}
),

campaigns as (
    select campaign_id as known_campaign_id from {{ ref('stg_campaigns') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_text(raw, 'campaign_id') }} as campaign_id,
        {{ to_text(raw, 'customer_id') }} as customer_id,
        {{ to_code(raw, 'channel') }} as channel,
        {{ to_date(raw, 'occurred_on') }} as occurred_on,
        coalesce({{ to_boolean(raw, 'is_holdout') }}, false) as is_holdout,
        {{ to_boolean(raw, 'is_holdout') }} is null and {{ is_given(raw, 'is_holdout') }} as is_bad_holdout,
        {{ to_integer(raw, 'impressions') }} as impressions,
        {{ to_integer(raw, 'opens') }} as opens,
        {{ to_integer(raw, 'clicks') }} as clicks,
        {{ within(to_integer(raw, 'conversions'), 0) }} as conversions,
        {{ to_decimal(raw, 'revenue_amount') }} as revenue_amount,
        {{ within(to_decimal(raw, 'cost_amount'), 0) }} as cost_amount
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['engagement_id'],
            rules={
                'missing_campaign_id': 'campaign_id is null',
                'unknown_campaign': 'campaign_id is not null and known_campaign_id is null',
                'missing_customer_id': 'customer_id is null',
                'unknown_customer': 'customer_id is not null and known_customer_id is null',
                'missing_channel': 'channel is null',
                'bad_occurred_on': 'occurred_on is null',
                'future_date': 'occurred_on > as_of.as_of_on',
                'bad_is_holdout': 'is_bad_holdout',
                'bad_impressions': 'impressions is null',
                'negative_impressions': 'impressions < 0',
                'holdout_with_impressions': 'is_holdout and impressions > 0',
                'bad_clicks': 'clicks is null and ' ~ is_given(raw, 'clicks'),
                'negative_clicks': 'clicks < 0',
                'clicks_above_impressions': 'clicks > impressions',
                'bad_opens': 'opens is null and ' ~ is_given(raw, 'opens'),
                'negative_opens': 'opens < 0',
                'opens_above_impressions': 'opens > impressions',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, ['conversions', 'revenue_amount', 'cost_amount']) }} as blanked_columns
    from typed
    cross join {{ ref('as_of') }} as as_of
    left join campaigns on typed.campaign_id = campaigns.known_campaign_id
    left join customers on typed.customer_id = customers.known_customer_id
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        engagement_id,
        campaign_id,
        customer_id,
        channel,
        occurred_on,
        is_holdout,
        impressions,
        opens,
        clicks,
        conversions,
        revenue_amount,
        cost_amount,
        {{ row_status_columns() }}
    from decided
)

select * from final
