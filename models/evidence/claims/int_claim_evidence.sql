{{ config(schema='intermediate') }}

with claims as (
    select
        claims.*,
        questions.unit,
        coalesce(questions.is_difference, false) as is_difference,
        coalesce(questions.is_compared, false) as is_compared,
        claims.segment_id is not null
        or not coalesce(questions.is_by_segment, true)
        or (claims.claim_type = 'no_difference' and not coalesce(questions.is_difference, false)) as is_about_segments,
        coalesce(questions.is_within_segments, false) as is_within_segments,
        coalesce(questions.shares_a_part, false) as shares_a_part,
        coalesce(questions.needs_real_rows, false) as needs_real_rows,
        questions.cells_of
    from {{ ref('int_claims') }} as claims
    left join {{ ref('int_claim_questions') }} as questions
        on claims.mart = questions.mart and claims.metric = questions.metric
),

-- Whoever lacks a figure that others have has nobody to count in it.
handed_in as (
    select distinct
        segmentation,
        mart,
        metric,
        cell,
        other_cell
    from {{ ref('int_claim_figures') }}
    where estimate is not null
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
            when found.obstacle is not null then found.obstacle
            when
                found.claim_id is null and claims.unit is not null
                and claims.claim_type not in ('about', 'within', 'explanation')
                and not claims.is_compared and not claims.is_difference then 'not_compared'
            when coalesce(found.difference, found.least_possible) is null
                then case when handed_in.metric is not null then 'no_overlap' else 'no_data' end
            when found.is_small_cell then 'small_cell'
        end as obstacle
    from claims
    cross join constructed
    left join {{ ref('int_claim_findings') }} as found on claims.claim_id = found.claim_id
    left join handed_in
        on
            claims.segmentation = handed_in.segmentation
            and claims.mart = handed_in.mart
            and claims.metric = handed_in.metric
            and {{ null_safe_equal('claims.cell', 'handed_in.cell') }}
            and {{ null_safe_equal('claims.other_cell', 'handed_in.other_cell') }}
)

select * from final
