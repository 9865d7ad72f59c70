{{ config(schema='intermediate') }}

-- A figure over all customers has nothing to do with the segments, unless it compares them or looks within them.
with claims as (
    select * from {{ ref('int_claim_evidence') }}
    where is_about_segments or is_within_segments
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

final as (
    select distinct claims.claim_id
    from claims
    inner join {{ ref('int_metric_sources') }} as metrics on claims.mart = metrics.mart and claims.metric = metrics.metric
    inner join {{ ref('int_segmentation_sources') }} as inputs
        on claims.segmentation = inputs.segmentation and metrics.raw_column = inputs.raw_column
    left join filled_cells
        on
            claims.segmentation = filled_cells.segmentation
            and claims.cells_of = filled_cells.mart
            and claims.metric = filled_cells.metric
            and inputs.cell = filled_cells.cell
    where
        inputs.cell is null
        or inputs.cell = claims.cell
        or (claims.cell is null and (claims.cells_of is null or filled_cells.cell is not null))
)

select * from final
