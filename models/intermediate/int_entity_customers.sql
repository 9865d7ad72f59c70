{% set owned = [] %}
{% for name, grain in var('grains').items() if grain.get('customer_key') %}{% do owned.append(name) %}{% endfor %}

with owners as (
    {% for name in owned -%}
    {% set grain = var('grains')[name] -%}
    select
        {{ quoted(name) }} as grain,
        {{ grain.key }} as entity_id,
        {{ grain.customer_key }} as owner_id
    from {{ ref(grain.features) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        owners.grain,
        owners.entity_id,
        customers.customer_id
    from owners
    left join {{ ref('stg_customers') }} as customers on owners.owner_id = customers.customer_id
)

select * from final
