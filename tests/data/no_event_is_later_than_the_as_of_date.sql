{% set events = {
    'stg_customers': 'joined_on',
    'stg_product_holdings': 'opened_on',
    'stg_campaign_engagements': 'occurred_on',
    'stg_transactions': 'transacted_on',
    'stg_digital_sessions': 'used_on',
} %}

{% for model, column in events.items() %}
select
    '{{ model }}.{{ column }}' as column_name,
    max(events.{{ column }}) as latest_on,
    as_of.as_of_on
from {{ ref(model) }} as events
cross join {{ ref('as_of') }} as as_of
where events.{{ column }} > as_of.as_of_on
group by as_of.as_of_on
{{ 'union all' if not loop.last }}
{% endfor %}
