with evidence as (
    select * from {{ ref('int_claim_evidence') }}
),

unknown_inputs as (
    select distinct segmentation from {{ ref('int_segmentation_sources') }}
    where raw_column is null
),

judged as (
    select
        evidence.*,
        {{ entities_in_words('evidence.segmentation') }} as entities,
        circular.claim_id is not null as is_circular,
        unknown_inputs.segmentation is not null as has_unknown_inputs,
        structure.no_structure_found,
        {{ claim_verdict_by_type() }} as verdict_by_type
    from evidence
    left join unknown_inputs on evidence.segmentation = unknown_inputs.segmentation
    left join {{ ref('int_circular_claims') }} as circular on evidence.claim_id = circular.claim_id
    left join {{ ref('int_segmentation_structure') }} as structure on evidence.segmentation = structure.segmentation
),

decided as (
    select
        *,
        case
            when claim_type = 'explanation' then null
            when obstacle is not null then 'not_identifiable'
            when is_circular or shares_a_part then 'circular'
            when has_unknown_inputs and verdict_by_type = 'supported' then 'unsupported'
            else verdict_by_type
        end as verdict,
        coalesce({{ is_true_here() }}, false) as is_true_here
    from judged
),

published as (
    select
        history.*,
        row_number() over (partition by history.claim_id order by history.as_of_on desc) as nth_latest
    from {{ source('state', 'claim_verdict_history') }} as history
    cross join {{ ref('as_of') }} as as_of
    where history.as_of_on < as_of.as_of_on
),

worded as (
    select
        claim_id,
        source,
        sentence,
        claim_type,
        mart,
        metric,
        segmentation,
        segment_id,
        segment,
        cell,
        unit,
        figure_found,
        difference as estimate,
        difference_low as estimate_low,
        difference_high as estimate_high,
        cast(customer_count as bigint) as customer_count,
        adjusted_p,
        verdict,
        case when verdict = 'circular' then is_true_here end as figure_reproduces,
        {{ verdict_label('verdict') }} as verdict_label,
        {{ use_it('verdict') }} as use_it,
        read_as,
        {{ verdict_reason() }} as reason,
        no_structure_found
    from decided
),

final as (
    select
        worded.*,
        published.verdict as previous_verdict,
        published.as_of_on as previous_as_of_on,
        case
            when published.verdict <> worded.verdict then {{ verdict_change('published', 'worded') }}
        end as what_changed
    from worded
    left join published on worded.claim_id = published.claim_id and published.nth_latest = 1
)

select * from final
