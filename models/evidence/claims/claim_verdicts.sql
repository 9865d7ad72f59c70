with evidence as (
    select * from {{ ref('int_claim_evidence') }}
),

-- A figure over all cells rests on a cell only if something happened in it.
filled_cells as (
    select distinct
        segmentation,
        mart,
        metric,
        cell
    from {{ ref('int_metric_cells') }}
    where event_count > 0
),

circular as (
    select
        evidence.claim_id,
        max(1) as is_circular
    from evidence
    inner join {{ ref('int_metric_sources') }} as metrics on evidence.mart = metrics.mart and evidence.metric = metrics.metric
    inner join {{ ref('int_segmentation_sources') }} as inputs
        on evidence.segmentation = inputs.segmentation and metrics.raw_column = inputs.raw_column
    left join filled_cells
        on
            evidence.segmentation = filled_cells.segmentation
            and evidence.cells_of = filled_cells.mart
            and evidence.metric = filled_cells.metric
            and inputs.cell = filled_cells.cell
    where
        inputs.cell is null
        or inputs.cell = evidence.cell
        or (evidence.cell is null and (evidence.cells_of is null or filled_cells.cell is not null))
    group by evidence.claim_id
),

unknown_inputs as (
    select distinct segmentation from {{ ref('int_segmentation_sources') }}
    where raw_column is null
),

judged as (
    select
        evidence.*,
        coalesce(circular.is_circular, 0) = 1 as is_circular,
        unknown_inputs.segmentation is not null as has_unknown_inputs,
        structure.no_structure_found,
        {{ claim_verdict_by_type() }} as verdict_by_type
    from evidence
    left join unknown_inputs on evidence.segmentation = unknown_inputs.segmentation
    left join circular on evidence.claim_id = circular.claim_id
    left join {{ ref('int_segmentation_structure') }} as structure on evidence.segmentation = structure.segmentation
),

decided as (
    select
        *,
        case
            when claim_type = 'explanation' then null
            when obstacle is not null then 'not_identifiable'
            when is_circular then 'circular'
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
