{{ config(schema='intermediate') }}

-- A figure by itself answers what it is and, where it is a difference, what is more and what goes with what.
with figures as (
    select
        claims.claim_id,
        figures.estimate as figure_found,
        figures.estimate as difference,
        figures.estimate_low as difference_low,
        figures.estimate_high as difference_high,
        figures.adjusted_p,
        questions.smallest_difference,
        figures.customer_count,
        figures.is_small_cell,
        figures.obstacle,
        figures.least_possible,
        figures.customers_needed
    from {{ ref('int_claims') }} as claims
    inner join {{ ref('int_claim_questions') }} as questions
        on claims.mart = questions.mart and claims.metric = questions.metric
    inner join {{ ref('int_claim_figures') }} as figures
        on
            claims.segmentation = figures.segmentation
            and claims.mart = figures.mart
            and claims.metric = figures.metric
            and {{ null_safe_equal('claims.cell', 'figures.cell') }}
            and {{ null_safe_equal('claims.other_cell', 'figures.other_cell') }}
            and coalesce(claims.segment_id, 0) = coalesce(figures.segment_id, 0)
    where claims.claim_type in ('about', 'within') or questions.is_difference
),

final as (
    select
        *,
        cast(null as {{ text_type() }}) as obstacle,
        cast(null as double) as least_possible,
        cast(null as bigint) as customers_needed
    from {{ ref('int_claim_comparisons') }}
    union all
    select * from figures
)

select * from final
