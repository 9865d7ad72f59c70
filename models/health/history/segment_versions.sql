with final as (
    {{ of_other_dates('segment_versions', ref('segments')) }}
    union all
    select
        segments.segmentation,
        segments.segment_id,
        as_of.as_of_on,
        segments.segment_name,
        segments.entity_count,
        segments.segment_share,
        segments.fit_id
    from {{ ref('segments') }} as segments
    cross join {{ ref('as_of') }} as as_of
)

select * from final
