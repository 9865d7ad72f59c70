{{ config(schema='intermediate') }}

with claims as (
    select claims.*
    from {{ ref('int_claims') }} as claims
    inner join {{ ref('int_claim_questions') }} as questions
        on claims.mart = questions.mart and claims.metric = questions.metric
    where
        claims.claim_type in ('more_than', 'less_than', 'highest', 'lowest', 'no_difference')
        and not questions.is_difference
),

-- A segment against another, the rest, or each other one; for no_difference without a segment every pair.
candidates as (
    select
        claims.claim_id,
        claims.claim_type,
        claims.direction,
        differences.estimate as figure_found,
        differences.difference,
        differences.difference_low,
        differences.difference_high,
        differences.adjusted_p,
        differences.smallest_difference,
        differences.customer_count,
        differences.is_small_cell
    from claims
    inner join {{ ref('segment_differences') }} as differences
        on
            claims.segmentation = differences.segmentation
            and claims.mart = differences.mart
            and claims.metric = differences.metric
            and {{ null_safe_equal('claims.cell', 'differences.cell') }}
            and (claims.segment_id = differences.segment_id or claims.segment_id is null)
            and case
                when claims.compared_with = 'rest' then differences.compared_with = 'rest'
                when claims.other_segment_id is not null then differences.other_segment_id = claims.other_segment_id
                else differences.compared_with = 'segment'
            end
),

-- The hardest comparison decides: the closest rival; of an absence the pair that is clearly apart, else the
-- pair that may be furthest apart.
ranked as (
    select
        *,
        max(adjusted_p) over (partition by claim_id) as largest_p,
        max(case when is_small_cell then 1 else 0 end) over (partition by claim_id) as any_small_cell,
        claim_type = 'no_difference'
        and (difference_low > smallest_difference or difference_high < -smallest_difference) as is_apart,
        case
            when claim_type = 'no_difference' then -greatest(abs(difference_low), abs(difference_high))
            else direction * difference
        end as lead
    from candidates
),

ordered as (
    select
        *,
        row_number() over (
            partition by claim_id
            order by case when is_apart then 0 else 1 end, lead nulls last, difference
        ) as difficulty
    from ranked
),

final as (
    select
        claim_id,
        figure_found,
        difference,
        difference_low,
        difference_high,
        case when claim_type in ('highest', 'lowest') and direction * difference > 0 then largest_p else adjusted_p end as adjusted_p,
        smallest_difference,
        customer_count,
        any_small_cell = 1 as is_small_cell
    from ordered
    where difficulty = 1
)

select * from final
