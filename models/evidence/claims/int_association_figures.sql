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
        is_small_cell
    from {{ ref('segment_product_purchase_association') }}
),

counts_and_amounts as (
    select
        segmentation,
        segment_id,
        'segment_count_amount_association' as mart,
        metric,
        cast(null as {{ text_type() }}) as cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        adjusted_p,
        is_small_cell
    from {{ ref('segment_count_amount_association') }}
),

final as (
    select * from clicks_and_purchases
    union all
    select * from products_and_purchases
    union all
    select * from counts_and_amounts
)

select * from final
