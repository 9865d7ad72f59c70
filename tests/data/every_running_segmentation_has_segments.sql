{#- Where there is something to group; a segmentation that is empty would pass every other test. -#}
with running as (
    {% for segmentation in (active_segmentations() if execute else segmentations()) %}
    select
        '{{ segmentation.name }}' as segmentation,
        count(*) as entity_count
    from {{ ref(var('grains')[segmentation.grain].features) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

segments as (
    select distinct segmentation from {{ ref('segments') }}
)

select
    running.segmentation,
    running.entity_count
from running
left join segments on running.segmentation = segments.segmentation
where running.entity_count > 0 and segments.segmentation is null
