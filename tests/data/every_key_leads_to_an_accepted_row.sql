{{ config(meta={'rows_of_each': 'customer_id'}) }}
{#- One test instead of one a foreign key: child, column, parent. -#}
{% set keys = [
    ('stg_product_holdings', 'customer_id', 'stg_customers'),
    ('stg_card_accounts', 'customer_id', 'stg_customers'),
    ('stg_campaign_engagements', 'customer_id', 'stg_customers'),
    ('stg_campaign_engagements', 'campaign_id', 'stg_campaigns'),
    ('stg_transactions', 'customer_id', 'stg_customers'),
    ('stg_digital_sessions', 'customer_id', 'stg_customers'),
    ('stg_customer_attributes', 'customer_id', 'stg_customers'),
] %}

{% for child, column, parent in keys %}
select
    '{{ child }}.{{ column }}' as key_name,
    child.{{ column }} as key_value,
    count(*) as row_count
from {{ ref(child) }} as child
left join {{ ref(parent) }} as parent on child.{{ column }} = parent.{{ column }}
where child.{{ column }} is not null and parent.{{ column }} is null
group by child.{{ column }}
{{ 'union all' if not loop.last }}
{% endfor %}
