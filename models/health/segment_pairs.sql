with separations as (
    select * from {{ ref('segment_separations') }}
),

segments as (
    select * from {{ ref('segments') }}
),

final as (
    select
        separations.segmentation,
        separations.segment_id,
        segments.segment_name,
        separations.other_segment_id,
        others.segment_name as other_segment_name,
        separations.fit_id,
        segments.entity_count,
        others.entity_count as other_entity_count,
        separations.distance,
        separations.separating_features,
        {{ finite('separations.separation') }} as separation,
        separations.separated_only_by,
        {{ finite('separations.separation_without') }} as separation_without
    from separations
    inner join segments
        on separations.segmentation = segments.segmentation and separations.segment_id = segments.segment_id
    inner join segments as others
        on separations.segmentation = others.segmentation and separations.other_segment_id = others.segment_id
)

select * from final
