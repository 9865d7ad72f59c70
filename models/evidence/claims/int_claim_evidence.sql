{{ config(schema='intermediate') }}

with claims as (
    select * from {{ ref('int_claims') }}
),

figures as (
    select
        claims.claim_id,
        figures.estimate as figure_found,
        figures.estimate as difference,
        figures.estimate_low as difference_low,
        figures.estimate_high as difference_high,
        figures.adjusted_p,
        figures.smallest_difference,
        figures.customer_count,
        figures.is_small_cell
    from claims
    inner join {{ ref('int_claim_figures') }} as figures
        on
            claims.segmentation = figures.segmentation
            and claims.mart = figures.mart
            and claims.metric = figures.metric
            and {{ null_safe_equal('claims.cell', 'figures.cell') }}
            and {{ null_safe_equal('claims.owned_product', 'figures.other_cell') }}
            and coalesce(claims.segment_id, 0) = coalesce(figures.segment_id, 0)
    where
        claims.claim_type in ('about', 'within', 'same_order')
        or claims.mart = 'variation_shares'
        or (
            claims.claim_type in ('goes_with', 'no_difference')
            and claims.metric in ('purchase_difference', 'count_total_rank_correlation', 'count_mean_rank_correlation')
        )
),

found as (
    select * from {{ ref('int_claim_comparisons') }}
    union all
    select * from figures
),

final as (
    select
        claims.*,
        found.figure_found,
        found.difference,
        found.difference_low,
        found.difference_high,
        found.adjusted_p,
        found.smallest_difference,
        found.customer_count,
        coalesce(found.is_small_cell, false) as is_small_cell,
        case
            when found.claim_id is null or found.difference is null then 'no_data'
            when found.is_small_cell then 'small_cell'
        end as obstacle
    from claims
    left join found on claims.claim_id = found.claim_id
)

select * from final
