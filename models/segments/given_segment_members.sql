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

final as (
    select
        segmentation,
        grain,
        entity_id,
        segment as segment_name,
        dense_rank() over (partition by segmentation order by segment) as segment_id
    from labelled
)

select * from final
