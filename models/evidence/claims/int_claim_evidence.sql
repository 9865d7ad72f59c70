{{ config(schema='intermediate') }}

with claims as (
    select
        claims.*,
        questions.unit,
        case when questions.other_cell_key is not null then claims.other_cell end as figure_cell,
        coalesce(questions.is_difference, false) as is_difference,
        coalesce(questions.is_compared, false) as is_compared,
        coalesce(questions.needs_real_rows, false) as needs_real_rows,
        questions.cells_of,
        questions.smallest_difference as question_smallest_difference
    from {{ ref('int_claims') }} as claims
    left join {{ ref('int_claim_questions') }} as questions
        on claims.mart = questions.mart and claims.metric = questions.metric
),

-- A figure by itself answers what it is and, where it is a difference, what is more and what goes with what.
figures as (
    select
        claims.claim_id,
        figures.estimate as figure_found,
        figures.estimate as difference,
        figures.estimate_low as difference_low,
        figures.estimate_high as difference_high,
        figures.adjusted_p,
        claims.question_smallest_difference as smallest_difference,
        figures.customer_count,
        figures.is_small_cell,
        figures.obstacle as figure_obstacle,
        figures.least_possible,
        figures.customers_needed
    from claims
    inner join {{ ref('int_claim_figures') }} as figures
        on
            claims.segmentation = figures.segmentation
            and claims.mart = figures.mart
            and claims.metric = figures.metric
            and {{ null_safe_equal('claims.cell', 'figures.cell') }}
            and {{ null_safe_equal('claims.figure_cell', 'figures.other_cell') }}
            and coalesce(claims.segment_id, 0) = coalesce(figures.segment_id, 0)
    where claims.claim_type in ('about', 'within') or claims.is_difference
),

found as (
    select
        *,
        cast(null as {{ text_type() }}) as figure_obstacle,
        cast(null as double) as least_possible,
        cast(null as bigint) as customers_needed
    from {{ ref('int_claim_comparisons') }}
    union all
    select * from figures
),

constructed as (
    select max(case when is_constructed then 1 else 0 end) = 1 as has_constructed_rows
    from {{ ref('stg_transactions') }}
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
        found.least_possible,
        found.customers_needed,
        coalesce(found.is_small_cell, false) as is_small_cell,
        case
            when claims.needs_real_rows and constructed.has_constructed_rows then 'constructed'
            when found.figure_obstacle is not null then found.figure_obstacle
            when
                found.claim_id is null and claims.unit is not null
                and claims.claim_type not in ('about', 'within', 'explanation')
                and not claims.is_compared and not claims.is_difference then 'not_compared'
            when found.claim_id is null or coalesce(found.difference, found.least_possible) is null then 'no_data'
            when found.is_small_cell then 'small_cell'
        end as obstacle
    from claims
    cross join constructed
    left join found on claims.claim_id = found.claim_id
)

select * from final
