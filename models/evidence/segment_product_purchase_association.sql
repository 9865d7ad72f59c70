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

pooled as (
    select
        *,
        {{ group_difference(n1, y1, n0, y0) }} as pooled_difference,
        {{ group_difference_low(n1, y1, n0, y0) }} as pooled_difference_low,
        {{ group_difference_high(n1, y1, n0, y0) }} as pooled_difference_high,
        {{ interval_low('stratified_difference', 'stratified_standard_error') }} as stratified_difference_low,
        {{ interval_high('stratified_difference', 'stratified_standard_error') }} as stratified_difference_high
    from summed
),

tested as (
    select
        cells.*,
        {{ group_difference_low('cells.' ~ n1, 'cells.' ~ y1, 'cells.' ~ n0, 'cells.' ~ y0) }} as difference_low,
        {{ group_difference_high('cells.' ~ n1, 'cells.' ~ y1, 'cells.' ~ n0, 'cells.' ~ y0) }} as difference_high,
        {{ is_small_cell('least(cells.owner_count, cells.other_count)', 'cells.owning_buyer_count + cells.other_buyer_count') }}
            as is_small_cell,
        pooled.pooled_difference,
        pooled.pooled_difference_low,
        pooled.pooled_difference_high,
        pooled.stratified_difference,
        pooled.stratified_difference_low,
        pooled.stratified_difference_high,
        cells.segmentation || ': segment_product_purchase_association' as family
    from cells
    left join pooled
        on
            cells.segmentation = pooled.segmentation
            and cells.owned_product = pooled.owned_product
            and cells.product = pooled.product
),

with_p as (
    select
        *,
        case when not is_small_cell then {{ two_proportions_p(y1, n1, y0, n0) }} end as p
    from tested
),

adjusted as (
    {{ adjusted_p('p', 'family', 'with_p') }}
),

final as (
    select
        segmentation,
        segment_id,
        owned_product,
        product,
        cast(owner_count as bigint) as owner_count,
        cast(owning_buyer_count as bigint) as owning_buyer_count,
        cast(other_count as bigint) as other_count,
        cast(other_buyer_count as bigint) as other_buyer_count,
        difference as purchase_difference,
        difference_low as purchase_difference_low,
        difference_high as purchase_difference_high,
        p,
        adjusted_p,
        family,
        pooled_difference,
        pooled_difference_low,
        pooled_difference_high,
        stratified_difference,
        stratified_difference_low,
        stratified_difference_high,
        coalesce(
            pooled_difference_low > 0 and stratified_difference_high < 0
            or pooled_difference_high < 0 and stratified_difference_low > 0, false
        ) as is_reversed_when_pooled,
        'Newcombe interval, pooled score test; Mantel-Haenszel over segments' as method,
        is_small_cell
    from adjusted
)

select * from final
