with segmentations as (
    select min(segmentation) as segmentation
    from {{ ref('segments') }}
    where grain = 'customer'
),

final as (
    select
        members.customer_id,
        members.segment_id
    from {{ ref('customer_segments') }} as members
    inner join segmentations on members.segmentation = segmentations.segmentation
)

select * from final
