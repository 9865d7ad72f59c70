{{ config(materialized='view') }}

with points as (
    select
        *,
        lead(valid_from) over (partition by segmentation, entity_id order by valid_from) as valid_to
    from {{ ref('segment_history') }}
    where grain = 'customer'
),

final as (
    select
        points.segmentation,
        points.entity_id as customer_id,
        points.valid_from,
        points.valid_to,
        points.valid_to is null as is_open,
        points.segment_id,
        versions.segment_name,
        points.fit_id
    from points
    left join {{ ref('segment_versions') }} as versions
        on
            points.segmentation = versions.segmentation
            and points.segment_id = versions.segment_id
            and points.valid_from = versions.as_of_on
    where points.segment_id > 0
)

select * from final
