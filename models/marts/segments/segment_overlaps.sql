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
pairs as (
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
),

totals as (
    select
        *,
        sum(shared_entity_count) over (
            partition by segmentation, segment_id, customer_segmentation
        ) as placed_entity_count,
        sum(shared_entity_count) over (
            partition by segmentation, customer_segmentation, customer_segment_id
        ) as customer_segment_entity_count,
        sum(shared_entity_count) over (partition by segmentation, customer_segmentation) as all_entity_count
    from pairs
),

lifted as (
    {%- set counts = ['shared_entity_count', 'placed_entity_count', 'customer_segment_entity_count', 'all_entity_count'] %}
    select
        *,
        {{ lift(*counts) }} as lift,
        {{ log_lift_standard_error(*counts) }} as log_lift_error
    from totals
),

final as (
    select
        segmentation,
        segment_id,
        segment_name,
        customer_segmentation,
        customer_segment_id,
        customer_segment_name,
        entity_count,
        entity_without_customer_count,
        cast(placed_entity_count as bigint) as placed_entity_count,
        shared_entity_count,
        {{ ratio('shared_entity_count', 'placed_entity_count') }} as share_of_segment,
        {{ proportion_low('shared_entity_count', 'placed_entity_count') }} as share_of_segment_low,
        {{ proportion_high('shared_entity_count', 'placed_entity_count') }} as share_of_segment_high,
        customer_count,
        shared_customer_count,
        {{ ratio('shared_customer_count', 'customer_count') }} as share_of_customer_segment,
        {{ proportion_low('shared_customer_count', 'customer_count') }} as share_of_customer_segment_low,
        {{ proportion_high('shared_customer_count', 'customer_count') }} as share_of_customer_segment_high,
        lift,
        lift * exp(-{{ interval_z() }} * log_lift_error) as lift_low,
        lift * exp({{ interval_z() }} * log_lift_error) as lift_high,
        {{ is_small_cell('least(placed_entity_count, customer_segment_entity_count)', 'shared_entity_count') }} as is_small_cell
    from lifted
)

select * from final
