{{ config(schema='intermediate') }}
{% set running = active_segmentations() if execute else segmentations() %}

with final as (
    {% for segmentation in running -%}
    {% set outer_loop = loop -%}
    {% for feature in segmentation.features -%}
    {% set feature_loop = loop -%}
    {% for raw_column in feature_raw_columns(feature.name) -%}
    select
        '{{ segmentation.name }}' as segmentation,
        '{{ feature.name }}' as feature,
        '{{ raw_column }}' as raw_column,
        cast({{ quoted(feature_cell(feature.name)) if feature_cell(feature.name) else 'null' }} as {{ text_type() }}) as cell
    {{ 'union all' if not (loop.last and feature_loop.last and outer_loop.last) }}
    {% endfor -%}
    {% endfor -%}
    {% endfor %}
)

select * from final
