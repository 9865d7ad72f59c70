{% set sums = {'impressions': 'impression_count', 'clicks': 'click_count', 'revenue_amount': 'revenue_amount', 'cost_amount': 'cost_amount'} %}
{% set marts = ['campaign_performance', 'campaign_channel_performance', 'campaign_channel_group_performance'] %}

with accepted as (
    select
        engagements.campaign_id
        {%- for column in sums %},
        sum(engagements.{{ column }}) as {{ column }}
        {%- endfor %}
    from {{ ref('stg_campaign_engagements') }} as engagements
    inner join {{ ref('stg_customers') }} as customers on engagements.customer_id = customers.customer_id
    cross join {{ ref('as_of') }} as as_of
    where
        not engagements.is_holdout
        and (
            customers.birth_year is null
            or year(as_of.as_of_on) - customers.birth_year >= {{ var('minimum_marketing_age') }}
        )
    group by engagements.campaign_id
),

added as (
    {%- for mart in marts %}
    select
        '{{ mart }}' as mart,
        campaign_id
        {%- for column, total in sums.items() %},
        sum({{ total }}) as {{ column }}
        {%- endfor %}
    from {{ ref(mart) }}
    group by campaign_id
    union all
    {%- endfor %}
    -- Every customer has one segment of each segmentation, so each adds up to all.
    select
        'segment_campaign_performance ' || segmentation as mart,
        campaign_id
        {%- for column, total in sums.items() %},
        sum({{ total }}) as {{ column }}
        {%- endfor %}
    from {{ ref('segment_campaign_performance') }}
    group by segmentation, campaign_id
)

select
    added.mart,
    accepted.campaign_id
    {%- for column in sums %},
    added.{{ column }},
    accepted.{{ column }} as accepted_{{ column }}
    {%- endfor %}
from accepted
left join added on accepted.campaign_id = added.campaign_id
where
    {%- for column in sums %}
    {{ 'or ' if not loop.first }}coalesce(added.{{ column }}, 0) <> coalesce(accepted.{{ column }}, 0)
    {%- endfor %}
