{{ config(schema='intermediate') }}

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

final as (
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
)

select * from final
