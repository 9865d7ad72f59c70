{% set running = active_segmentations() if execute else segmentations() %}

with {% for segmentation in running -%}
{{ segmentation.name }}_constants as (
    {{ fit_constants(segmentation) }}
),

{{ segmentation.name }}_standardised as (
    {{ standardised_rows(segmentation, segmentation.name ~ '_constants') }}
),

{{ segmentation.name }}_distances as (
    {{ distances(segmentation, segmentation.name ~ '_standardised') }}
),

{{ segmentation.name }}_nearest as (
    {{ nearest(segmentation, segmentation.name ~ '_distances') }}
),

{{ segmentation.name }}_members as (
    {{ members(segmentation, segmentation.name ~ '_nearest') }}
),

{% endfor -%}
assigned as (
    {% for segmentation in running -%}
    select * from {{ segmentation.name }}_members
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        segmentation,
        grain,
        entity_id,
        cast(segment_id as bigint) as segment_id,
        distance,
        second_distance,
        {{ ratio('second_distance - distance', 'second_distance') }} as assignment_margin,
        fit_id
    from assigned
)

select * from final
