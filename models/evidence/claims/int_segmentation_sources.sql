{{ config(schema='intermediate') }}
{% set running = active_segmentations() if execute else segmentations() %}

-- A segmentation handed in without its inputs has one row whose raw column is null.
with final as (
    select
        cast(null as {{ text_type() }}) as segmentation,
        cast(null as {{ text_type() }}) as feature,
        cast(null as {{ text_type() }}) as raw_column,
        cast(null as {{ text_type() }}) as cell
    where false
    {%- for segmentation in given(running) %}
    {%- for raw_column in segmentation.get('inputs') or [none] %}
    union all
    select
        '{{ segmentation.name }}',
        null,
        {{ quoted(raw_column.split(':')[0]) if raw_column else 'null' }},
        {{ quoted(raw_column.split(':')[1]) if raw_column and ':' in raw_column else 'null' }}
    {%- endfor %}
    {%- endfor %}
    {%- for segmentation in fitted(running) %}
    {%- for feature in segmentation.features %}
    {%- for raw_column in feature_raw_columns(feature.name) %}
    union all
    select
        '{{ segmentation.name }}',
        '{{ feature.name }}',
        '{{ raw_column }}',
        {{ quoted(feature_cell(feature.name)) if feature_cell(feature.name) else 'null' }}
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
)

select * from final
