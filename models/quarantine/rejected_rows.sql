{% set keys = {
    'customers': 'customer_id',
    'product_holdings': 'holding_id',
    'card_accounts': 'cust_id',
    'campaigns': 'campaign_id',
    'campaign_engagements': 'engagement_id',
    'transactions': 'transaction_id',
    'digital_sessions': "customer_id || '|' || coalesce(cast(used_on as " ~ text_type() ~ "), '') || '|' || touchpoint",
    'customer_attributes': "customer_id || '|' || attribute",
    'given_segments': "segmentation || '|' || entity_id",
    'claims': 'claim_id',
    'segment_labels': "segmentation || '|' || label",
} %}

with final as (
    {% for name in raw_names() -%}
    select
        '{{ name }}' as entity,
        {{ keys[name] }} as entity_key,
        row_status,
        broken_rules,
        raw_row,
        source_file,
        source_row
    from {{ ref('base_' ~ name) }}
    where row_status <> 'accepted'
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
