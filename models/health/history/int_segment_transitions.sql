{{ config(schema='intermediate', contract={'enforced': false}) }}

-- Entities that were in a segment at the publish before and are in one now.
with counted as (
    select
        members.segmentation,
        earlier.segment_id as from_segment_id,
        members.segment_id as to_segment_id,
        count(*) as entity_count,
        sum(cast(coalesce(purchases.last_year_amount, 0) as decimal(38, 2))) as last_year_amount
    from {{ ref('segment_members') }} as members
    inner join {{ ref('earlier_segment_members') }} as earlier
        on members.segmentation = earlier.segmentation and members.entity_id = earlier.entity_id
    left join {{ ref('int_customer_purchases') }} as purchases
        on members.grain = 'customer' and members.entity_id = purchases.customer_id
    group by members.segmentation, earlier.segment_id, members.segment_id
),

totals as (
    select
        *,
        sum(entity_count) over (partition by segmentation, from_segment_id) as from_count,
        sum(entity_count) over (partition by segmentation, to_segment_id) as to_count
    from counted
),

final as (
    select
        *,
        {{ ratio('entity_count', 'from_count') }} as share_of_from,
        {{ ratio('entity_count', 'to_count') }} as share_of_to,
        {{ ratio('entity_count', '(from_count + to_count - entity_count)') }} as overlap
    from totals
)

select * from final
