with totals as (
    select
        *,
        sum(shared_entity_count) over (
            partition by segmentation, segment_id, customer_segmentation
        ) as placed_entity_count,
        sum(shared_entity_count) over (
            partition by segmentation, customer_segmentation, customer_segment_id
        ) as customer_segment_entity_count,
        sum(shared_entity_count) over (partition by segmentation, customer_segmentation) as all_entity_count
    from {{ ref('int_segment_pairs') }}
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
