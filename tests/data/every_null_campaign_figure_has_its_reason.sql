{% set marts = [
    'campaign_performance', 'campaign_channel_performance', 'campaign_channel_group_performance', 'segment_campaign_performance',
] %}
{% set reasons = {
    'reach_rate': ['nobody_assigned'],
    'ctr': ['nobody_reached', 'unknown_clicks'],
    'engagement_rate': ['nobody_reached', 'unknown_clicks'],
    'conversion_rate': ['nobody_reached'],
    'open_rate': ['nobody_reached', 'no_channel_with_opens', 'unknown_opens'],
    'click_to_open_rate': ['nobody_opened'],
    'conversion_per_clicker_rate': ['no_clicks', 'unknown_clicks'],
    'revenue_per_converted_customer': ['no_conversions', 'unknown_conversions', 'unknown_revenue'],
    'cost_per_mille': ['nobody_reached', 'unknown_cost'],
    'cost_per_click': ['no_clicks', 'unknown_clicks', 'unknown_cost'],
    'cost_per_conversion': ['no_conversions', 'unknown_conversions', 'unknown_cost'],
    'roas': ['no_cost', 'unknown_cost', 'unknown_revenue'],
    'roi': ['no_cost', 'unknown_cost', 'unknown_revenue'],
    'largest_customer_revenue_share': ['no_revenue', 'unknown_revenue'],
} %}

{% for mart in marts %}
{% set outer_loop = loop %}
{% for figure, names in reasons.items() %}
select
    '{{ mart }}.{{ figure }}' as figure_name,
    campaign_id,
    null_reasons
from {{ ref(mart) }}
where
    ({{ figure }} is null) <> (
        {%- for name in names %}
        {{ 'or ' if not loop.first }}concat('|', coalesce(null_reasons, ''), '|') like '%|{{ name }}|%'
        {%- endfor %}
    )
{{ 'union all' if not (loop.last and outer_loop.last) }}
{% endfor %}
{% endfor %}
