{% set running = fitted(active_segmentations() if execute else segmentations()) %}

with given_members as (
    select * from {{ ref('given_segment_members') }}
),

{% for segmentation in running -%}
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

{{ segmentation.name }}_placed as (
    {{ placed(segmentation.name ~ '_nearest') }}
),

{{ segmentation.name }}_members as (
    {{ members(segmentation, segmentation.name ~ '_placed') }}
),

{% endfor -%}
assigned as (
    select
        segmentation,
        grain,
        entity_id,
        segment_id,
        segment_id as nearest_segment_id,
        cast(null as bigint) as second_segment_id,
        cast(null as double) as distance,
        cast(null as double) as second_distance,
        'given' as fit_id
    from given_members
    {% for segmentation in running -%}
    union all
    select * from {{ segmentation.name }}_members
    {% endfor %}
),

final as (
    select
        segmentation,
        grain,
        entity_id,
        cast(segment_id as bigint) as segment_id,
        cast(nearest_segment_id as bigint) as nearest_segment_id,
        cast(second_segment_id as bigint) as second_segment_id,
        distance,
        second_distance,
        {{ ratio('second_distance - distance', 'second_distance') }} as assignment_margin,
        fit_id
    from assigned
)

select * from final
