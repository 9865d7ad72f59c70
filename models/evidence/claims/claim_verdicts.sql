with evidence as (
    select * from {{ ref('int_claim_evidence') }}
),

circular as (
    select
        evidence.claim_id,
        max(1) as is_circular
    from evidence
    inner join {{ ref('int_metric_sources') }} as metrics on evidence.mart = metrics.mart and evidence.metric = metrics.metric
    inner join {{ ref('int_segmentation_sources') }} as inputs
        on
            evidence.segmentation = inputs.segmentation
            and metrics.raw_column = inputs.raw_column
            and (
                inputs.cell is null or evidence.cell is null
                or inputs.cell = evidence.cell or inputs.cell = evidence.owned_product
            )
    group by evidence.claim_id
),

unknown_inputs as (
    select distinct segmentation from {{ ref('int_segmentation_sources') }}
    where raw_column is null
),

constructed as (
    select max(case when is_constructed then 1 else 0 end) = 1 as has_constructed_rows
    from {{ ref('stg_transactions') }}
),

units as (
    select
        mart,
        metric,
        max(unit) as unit,
        max(case when needs_real_rows then 1 else 0 end) as needs_real_rows
    from {{ ref('int_metric_sources') }}
    group by mart, metric
),

judged as (
    select
        evidence.*,
        units.unit,
        case
            when evidence.obstacle is not null then evidence.obstacle
            when units.needs_real_rows = 1 and constructed.has_constructed_rows then 'constructed'
        end as found_obstacle,
        coalesce(circular.is_circular, 0) = 1 as is_circular,
        unknown_inputs.segmentation is not null as has_unknown_inputs,
        {{ claim_verdict_by_type() }} as verdict_by_type
    from evidence
    cross join constructed
    left join unknown_inputs on evidence.segmentation = unknown_inputs.segmentation
    left join circular on evidence.claim_id = circular.claim_id
    left join units on evidence.mart = units.mart and evidence.metric = units.metric
),

decided as (
    select
        *,
        case
            when claim_type = 'explanation' then null
            when found_obstacle is not null then 'not_identifiable'
            when is_circular then 'circular'
            when has_unknown_inputs and verdict_by_type = 'supported' then 'unsupported'
            else verdict_by_type
        end as verdict
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
        case when verdict = 'circular' then verdict_by_type = 'supported' end as figure_reproduces,
        {{ verdict_label('verdict') }} as verdict_label,
        {{ use_it('verdict') }} as use_it,
        read_as,
        {{ verdict_reason() }} as reason
    from decided
)

select * from final
