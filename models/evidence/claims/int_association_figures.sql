{{ config(schema='intermediate') }}

with clicks_and_purchases as (
    select
        segmentation,
        segment_id,
        'segment_channel_purchase_association' as mart,
        'purchase_difference' as metric,
        channel as cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        purchase_difference as estimate,
        purchase_difference_low as estimate_low,
        purchase_difference_high as estimate_high,
        adjusted_p,
        cast({{ var('smallest_purchase_difference') }} as double) as smallest_difference,
        is_small_cell
    from {{ ref('segment_channel_purchase_association') }}
),

products_and_purchases as (
    select
        segmentation,
        segment_id,
        'segment_product_purchase_association' as mart,
        'purchase_difference' as metric,
        product as cell,
        owned_product as other_cell,
        owner_count + other_count as customer_count,
        purchase_difference as estimate,
        purchase_difference_low as estimate_low,
        purchase_difference_high as estimate_high,
        adjusted_p,
        cast({{ var('smallest_purchase_difference') }} as double) as smallest_difference,
        is_small_cell
    from {{ ref('segment_product_purchase_association') }}
),

-- Over all segments: stratified by them, so that differences between segments do not pass for one of products.
products_over_all as (
    select
        segmentation,
        cast(null as bigint) as segment_id,
        'segment_product_purchase_association' as mart,
        'purchase_difference' as metric,
        product as cell,
        owned_product as other_cell,
        sum(owner_count + other_count) as customer_count,
        max(stratified_difference) as estimate,
        max(stratified_difference_low) as estimate_low,
        max(stratified_difference_high) as estimate_high,
        {{ two_sided_p('max(stratified_difference) * 2 * ' ~ (interval_z() | trim)
            ~ ' / nullif(max(stratified_difference_high) - max(stratified_difference_low), 0)') }} as adjusted_p,
        cast({{ var('smallest_purchase_difference') }} as double) as smallest_difference,
        {{ is_small_cell('least(sum(owner_count), sum(other_count))', 'sum(owning_buyer_count + other_buyer_count)') }} as is_small_cell
    from {{ ref('segment_product_purchase_association') }}
    group by segmentation, product, owned_product
),

final as (
    select * from clicks_and_purchases
    union all
    select * from products_and_purchases
    union all
    select * from products_over_all
)

select * from final
