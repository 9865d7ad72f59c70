{% set handed_in = given(active_segmentations() if execute else segmentations()) %}

with running as (
    select
        cast(null as {{ text_type() }}) as segmentation,
        cast(null as {{ text_type() }}) as grain
    where false
    {%- for segmentation in handed_in %}
    union all
    select {{ quoted(segmentation.name) }}, {{ quoted(segmentation.grain) }}
    {%- endfor %}
),

labelled as (
    select
        labels.segmentation,
        running.grain,
        labels.entity_id,
        labels.segment
    from {{ ref('stg_given_segments') }} as labels
    inner join running on labels.segmentation = running.segmentation
    inner join {{ ref('stg_customers') }} as customers on labels.entity_id = customers.customer_id
),

-- A label keeps the number it was published with; new ones are numbered after them, in alphabetical order.
published as (
    select
        segmentation,
        segment_name,
        max(segment_id) as segment_id
    from {{ source('state', 'segment_versions') }}
    group by segmentation, segment_name
),

highest as (
    select
        segmentation,
        max(segment_id) as segment_id
    from published
    group by segmentation
),

numbered as (
    select
        labelled.*,
        published.segment_id as published_id,
        coalesce(highest.segment_id, 0) as highest_id,
        dense_rank() over (
            partition by labelled.segmentation, published.segment_id is null order by labelled.segment
        ) as place
    from labelled
    left join published
        on labelled.segmentation = published.segmentation and labelled.segment = published.segment_name
    left join highest on labelled.segmentation = highest.segmentation
),

final as (
    select
        segmentation,
        grain,
        entity_id,
        segment as segment_name,
        coalesce(published_id, highest_id + place) as segment_id
    from numbered
)

select * from final
