{{ config(schema='intermediate') }}
{% set no_text = 'cast(null as ' ~ text_type() ~ ')' %}

-- Who had all clicked, or none of them, cannot be told apart; nor can owners where everybody owns it, or nobody.
with without_overlap as (
    select
        segmentation,
        nullif(segment_id, 0) as segment_id,
        'segment_channel_purchase_association' as mart,
        channel as cell,
        {{ no_text }} as other_cell
    from {{ ref('int_channel_purchase_strata') }}
    where arrangement = 'stratified'
    group by segmentation, segment_id, channel
    having max(least(n1, n0)) = 0
    union all
    select
        segmentation,
        cast(null as bigint) as segment_id,
        'segment_product_purchase_association' as mart,
        product as cell,
        owned_product as other_cell
    from {{ ref('int_product_pair_cells') }}
    group by segmentation, product, owned_product
    having max(least(owner_count, other_count)) = 0
),

clicks_and_purchases as (
    select
        segmentation,
        segment_id,
        'segment_channel_purchase_association' as mart,
        'purchase_difference' as metric,
        channel as cell,
        {{ no_text }} as other_cell,
        customer_count,
        purchase_difference as estimate,
        purchase_difference_low as estimate_low,
        purchase_difference_high as estimate_high,
        adjusted_p,
        is_small_cell,
        {{ no_text }} as obstacle
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
        is_small_cell,
        case when least(owner_count, other_count) = 0 then 'no_overlap' end as obstacle
    from {{ ref('segment_product_purchase_association') }}
),

counts_and_amounts as (
    select
        segmentation,
        segment_id,
        'segment_count_amount_association' as mart,
        metric,
        cast(null as {{ text_type() }}) as cell,
        {{ no_text }} as other_cell,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        adjusted_p,
        is_small_cell,
        {{ no_text }} as obstacle
    from {{ ref('segment_count_amount_association') }}
),

not_comparable as (
    select
        segmentation,
        segment_id,
        mart,
        'purchase_difference' as metric,
        cell,
        other_cell,
        cast(0 as bigint) as customer_count,
        cast(null as double) as estimate,
        cast(null as double) as estimate_low,
        cast(null as double) as estimate_high,
        cast(null as double) as adjusted_p,
        true as is_small_cell,
        'no_overlap' as obstacle
    from without_overlap
),

final as (
    select * from clicks_and_purchases
    union all
    select * from products_and_purchases
    union all
    select * from counts_and_amounts
    union all
    select * from not_comparable
)

select * from final
