{% set running = fitted(active_segmentations() if execute else segmentations()) %}
{% set tail = var('possible_value_tail') %}

with inputs as (
    select * from {{ ref('segmentation_inputs') }}
),

final as (
    select
        cast(null as {{ text_type() }}) as segmentation,
        cast(null as {{ text_type() }}) as grain,
        cast(null as {{ text_type() }}) as grain_key,
        cast(null as {{ text_type() }}) as feature,
        cast(null as integer) as feature_position,
        cast(null as {{ text_type() }}) as missing_rule,
        cast(null as {{ text_type() }}) as value_numbers,
        cast(null as boolean) as is_changeable,
        cast(null as boolean) as is_whole,
        cast(null as double) as lowest_value,
        cast(null as double) as highest_value
    where false
    {%- for segmentation in running %}
    {%- for feature in segmentation.features %}
    {%- set value = natural_column(loop.index) %}
    {%- set numbers = quoted(tojson(feature['values'])) if feature.get('values') is not none else 'null' %}
    union all
    select
        {{ quoted(segmentation.name) }},
        {{ quoted(segmentation.grain) }},
        {{ quoted(var('grains')[segmentation.grain].key) }},
        {{ quoted(feature.name) }},
        {{ loop.index }},
        {{ quoted(feature.missing) }},
        {{ numbers }},
        {{ 'false' if feature_raw_columns(feature.name) | select('in', var('protected_raw_columns')) | list else 'true' }},
        min(case when {{ value }} <> floor({{ value }}) then 0 else 1 end) = 1,
        case
            when count({{ value }}) * {{ tail }} >= 1 then {{ quantile(value, tail) }}
            when min({{ value }}) >= 0 then 0
        end,
        case when count({{ value }}) * {{ tail }} >= 1 then {{ quantile(value, 1 - tail) }} end
    from inputs
    where segmentation = {{ quoted(segmentation.name) }}
    {%- endfor %}
    {%- endfor %}
)

select * from final
