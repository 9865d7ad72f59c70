{% set width = widest_segmentation() %}
{% set running = fitted(active_segmentations() if execute else segmentations()) %}

with attributes as (
    select
        {% for column, name in named_features(running, 'attribute').items() -%}
        max(case when attribute = {{ quoted(name) }} then attribute_value end) as {{ column }},
        {% endfor -%}
        customer_id
    from {{ ref('stg_customer_attributes') }}
    group by customer_id
),

holdings as (
    select
        {% for column, name in named_features(running, 'holds').items() -%}
        max(case when is_held and product = {{ quoted(name) }} then 1 else 0 end) as {{ column }},
        {% endfor -%}
        customer_id
    from {{ ref('int_customer_products') }}
    group by customer_id
),

{% for segmentation in running %}
{{ segmentation.name }}_natural as (
    select
        {{ quoted(segmentation.name) }} as segmentation,
        {{ quoted(segmentation.grain) }} as grain,
        features.{{ var('grains')[segmentation.grain].key }} as entity_id
        {%- for position in range(1, width + 1) %}
        {%- set feature = segmentation.features[position - 1] if position <= segmentation.features | length %},
        cast({{ feature_value(feature) if feature else 'null' }} as double) as {{ natural_column(position) }}
        {%- endfor %}
    {%- set key = var('grains')[segmentation.grain].key %}
    from {{ ref(var('grains')[segmentation.grain].features) }} as features
    {%- for model in feature_models(segmentation) %}
    left join {{ ref(model) }} as {{ model }} on features.{{ key }} = {{ model }}.{{ key }}
    {%- endfor %}
    {%- if segmentation.grain == 'customer' %}
    left join attributes on features.customer_id = attributes.customer_id
    left join holdings on features.customer_id = holdings.customer_id
    {%- endif %}
),
{% endfor %}
-- So that there is something to add to where every segmentation is handed in.
nobody as (
    select
        cast(null as {{ text_type() }}) as segmentation,
        cast(null as {{ text_type() }}) as grain,
        cast(null as {{ text_type() }}) as entity_id
        {%- for position in range(1, width + 1) %},
        cast(null as double) as {{ natural_column(position) }}
        {%- endfor %}
        {%- for position in range(1, width + 1) %},
        cast(null as double) as {{ value_column(position) }}
        {%- endfor %}
    where false
),

final as (
    select * from nobody
    {% for segmentation in running -%}
    union all
    select
        *
        {%- for position in range(1, width + 1) %}
        {%- set feature = segmentation.features[position - 1] if position <= segmentation.features | length %},
        cast({{ transformed(natural_column(position), feature.transform if feature else 'none') }} as double) as {{ value_column(position) }}
        {%- endfor %}
    from {{ segmentation.name }}_natural
    {% endfor %}
)

select * from final
