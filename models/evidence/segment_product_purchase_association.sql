{% set n1, y1, n0, y0 = 'owner_count', 'owning_buyer_count', 'other_count', 'other_buyer_count' %}

with segments as (
    select
        segmentation,
        segment_id,
        owned_product,
        product,
        {% for count in [n1, y1, n0, y0] -%}
        {{ count }},
        {% endfor -%}
        {{ group_difference(n1, y1, n0, y0) }} as difference,
        {{ group_difference_low(n1, y1, n0, y0) }} as difference_low,
        {{ group_difference_high(n1, y1, n0, y0) }} as difference_high,
        {{ two_proportions_p(y1, n1, y0, n0) }} as any_p,
        'Newcombe interval, pooled score test' as method,
        segmentation || ': segment_product_purchase_association' as family
    from {{ ref('int_product_pair_cells') }}
),

-- All customers: compared within segments, so that what segments differ in does not pass for what products do.
everybody as (
    select
        segmentation,
        cast(null as bigint) as segment_id,
        owned_product,
        product,
        {% for count in [n1, y1, n0, y0] -%}
        {{ count }},
        {% endfor -%}
        stratified_difference as difference,
        stratified_difference_low as difference_low,
        stratified_difference_high as difference_high,
        {{ difference_p('stratified_difference', 'stratified_standard_error') }} as any_p,
        'Mantel-Haenszel over segments' as method,
        segmentation || ': segment_product_purchase_association, all customers' as family
    from {{ ref('int_product_pair_estimates') }}
),

compared as (
    select * from segments
    union all
    select * from everybody
),

sized as (
    select
        *,
        {{ is_small_cell('least(owner_count, other_count)', 'owning_buyer_count + other_buyer_count') }} as is_small_cell
    from compared
),

tested as (
    select
        *,
        case when not is_small_cell then any_p end as p
    from sized
),

adjusted as (
    {{ adjusted_p('p', 'family', 'tested') }}
),

final as (
    select
        adjusted.segmentation,
        adjusted.segment_id is null as is_all_customers,
        adjusted.segment_id,
        adjusted.owned_product,
        adjusted.product,
        {% for count in [n1, y1, n0, y0] -%}
        cast(adjusted.{{ count }} as bigint) as {{ count }},
        {% endfor -%}
        adjusted.difference as purchase_difference,
        adjusted.difference_low as purchase_difference_low,
        adjusted.difference_high as purchase_difference_high,
        adjusted.p,
        adjusted.adjusted_p,
        adjusted.family,
        pairs.pooled_difference,
        pairs.pooled_difference_low,
        pairs.pooled_difference_high,
        pairs.stratified_difference,
        pairs.stratified_difference_low,
        pairs.stratified_difference_high,
        coalesce(
            pairs.pooled_difference_low > 0 and pairs.stratified_difference_high < 0
            or pairs.pooled_difference_high < 0 and pairs.stratified_difference_low > 0, false
        ) as is_reversed_when_pooled,
        adjusted.method,
        adjusted.is_small_cell
    from adjusted
    left join {{ ref('int_product_pair_estimates') }} as pairs
        on
            adjusted.segmentation = pairs.segmentation
            and adjusted.owned_product = pairs.owned_product
            and adjusted.product = pairs.product
)

select * from final
