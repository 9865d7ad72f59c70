{{ config(schema='intermediate') }}

with cells as (
    select * from {{ ref('int_metric_cells') }}
),

groups as (
    {{ with_rests('cells', ['segmentation', 'mart', 'cell', 'smallest_difference']) }}
),

estimated as (
    select
        *,
        {{ cell_figures() }}
    from groups
),

final as (
    select
        *,
        {{ is_cell_without_verdict() }} as is_small_cell,
        {{ cell_low() }} as estimate_low,
        {{ cell_high() }} as estimate_high
    from estimated
)

select * from final
