{{ config(schema='intermediate') }}
{% set n1, y1, n0, y0 = 'owner_count', 'owning_buyer_count', 'other_count', 'other_buyer_count' %}

with cells as (
    select
        *,
        {{ group_difference(n1, y1, n0, y0) }} as difference,
        {{ group_difference_variance(n1, y1, n0, y0) }} as difference_variance,
        {{ stratum_weight(n1, n0) }} as stratum_weight
    from {{ ref('int_product_pair_cells') }}
),

summed as (
    select
        segmentation,
        owned_product,
        product,
        sum(owner_count) as owner_count,
        sum(owning_buyer_count) as owning_buyer_count,
        sum(other_count) as other_count,
        sum(other_buyer_count) as other_buyer_count,
        {{ ratio('sum(stratum_weight * difference)', 'sum(stratum_weight)') }} as stratified_difference,
        sqrt(sum(stratum_weight * stratum_weight * difference_variance)) / nullif(sum(stratum_weight), 0)
            as stratified_standard_error
    from cells
    where stratum_weight > 0
    group by segmentation, owned_product, product
),

final as (
    select
        *,
        {{ group_difference(n1, y1, n0, y0) }} as pooled_difference,
        {{ group_difference_low(n1, y1, n0, y0) }} as pooled_difference_low,
        {{ group_difference_high(n1, y1, n0, y0) }} as pooled_difference_high,
        {{ interval_low('stratified_difference', 'stratified_standard_error') }} as stratified_difference_low,
        {{ interval_high('stratified_difference', 'stratified_standard_error') }} as stratified_difference_high
    from summed
)

select * from final
