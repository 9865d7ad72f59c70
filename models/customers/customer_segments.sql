{{ config(materialized='view') }}

with members as (
    select * from {{ ref('segment_members') }}
    where grain = 'customer'
),

final as (
    select
        members.segmentation,
        members.entity_id as customer_id,
        members.segment_id,
        segments.segment_name,
        members.assignment_margin,
        members.fit_id
    from members
    inner join {{ ref('segments') }} as segments
        on members.segmentation = segments.segmentation and members.segment_id = segments.segment_id
)

select * from final
