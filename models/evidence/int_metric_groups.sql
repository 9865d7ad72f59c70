{{ config(schema='intermediate') }}
{% set keys = ['segmentation', 'mart', 'cell', 'smallest_difference'] %}

with cells as (
    select * from {{ ref('int_metric_cells') }}
),

segments_and_rests as (
    {{ with_rests('cells', keys) }}
),

totals as (
    {{ rolled_up('cells', ['segment_id'], keys + ['metric', 'kind'], ['event_count']) }}
),

groups as (
    select * from segments_and_rests
    union all
    select
        {{ keys | join(', ') }},
        cast(null as bigint) as segment_id,
        metric,
        kind,
        {% for sum in cell_sums() + ['event_count'] -%}
        {{ sum }},
        {% endfor -%}
        'all' as group_type
    from totals
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
