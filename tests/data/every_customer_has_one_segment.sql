{#- Per segmentation with a fit: without any customer there is none, and nothing to assign. -#}
with segmentations as (
    select distinct segmentation
    from {{ ref('segments') }}
    where grain = 'customer'
),

expected as (
    select
        segmentations.segmentation,
        customers.customer_id
    from {{ ref('stg_customers') }} as customers
    cross join segmentations
),

assigned as (
    select
        members.segmentation,
        members.entity_id as customer_id,
        count(*) as segment_count
    from {{ ref('segment_members') }} as members
    inner join {{ ref('segments') }} as segments
        on members.segmentation = segments.segmentation and members.segment_id = segments.segment_id
    where members.grain = 'customer'
    group by members.segmentation, members.entity_id
)

select
    coalesce(expected.segmentation, assigned.segmentation) as segmentation,
    coalesce(expected.customer_id, assigned.customer_id) as customer_id,
    coalesce(assigned.segment_count, 0) as segment_count
from expected
full outer join assigned
    on expected.segmentation = assigned.segmentation and expected.customer_id = assigned.customer_id
where expected.customer_id is null or coalesce(assigned.segment_count, 0) <> 1
