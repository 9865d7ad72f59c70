with owned as (
    select
        members.segmentation,
        members.segment_id,
        owners.entity_id,
        owners.customer_id
    from {{ ref('segment_members') }} as members
    inner join {{ ref('int_entity_customers') }} as owners
        on members.grain = owners.grain and members.entity_id = owners.entity_id
),

segment_sizes as (
    select
        segmentation,
        segment_id,
        count(*) as entity_count,
        count(*) - count(customer_id) as entity_without_customer_count
    from owned
    group by segmentation, segment_id
),

shared as (
    select
        owned.segmentation,
        owned.segment_id,
        customers.segmentation as customer_segmentation,
        customers.segment_id as customer_segment_id,
        count(*) as shared_entity_count,
        count(distinct owned.customer_id) as shared_customer_count
    from owned
    inner join {{ ref('customer_segments') }} as customers on owned.customer_id = customers.customer_id
    group by owned.segmentation, owned.segment_id, customers.segmentation, customers.segment_id
),

-- Pairs that share nobody are rows too.
final as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        customer_segments.segmentation as customer_segmentation,
        customer_segments.segment_id as customer_segment_id,
        customer_segments.segment_name as customer_segment_name,
        segment_sizes.entity_count,
        segment_sizes.entity_without_customer_count,
        customer_segments.entity_count as customer_count,
        coalesce(shared.shared_entity_count, 0) as shared_entity_count,
        coalesce(shared.shared_customer_count, 0) as shared_customer_count
    from segment_sizes
    inner join {{ ref('segments') }} as segments
        on segment_sizes.segmentation = segments.segmentation and segment_sizes.segment_id = segments.segment_id
    inner join {{ ref('segments') }} as customer_segments on customer_segments.grain = 'customer'
    left join shared
        on
            segments.segmentation = shared.segmentation
            and segments.segment_id = shared.segment_id
            and customer_segments.segmentation = shared.customer_segmentation
            and customer_segments.segment_id = shared.customer_segment_id
)

select * from final
