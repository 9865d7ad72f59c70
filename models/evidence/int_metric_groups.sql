{{ config(schema='intermediate') }}
{% set cell_key = 'segmentation, mart, metric, cell' %}

with cells as (
    select * from {{ ref('int_metric_cells') }}
),

segments as (
    select
        *,
        'segment' as group_type
    from cells
),

rests as (
    select
        segmentation,
        segment_id,
        mart,
        metric,
        kind,
        cell,
        {% for sum in cell_sums() + ['event_count'] -%}
        sum({{ sum }}) over (partition by {{ cell_key }}) - {{ sum }} as {{ sum }},
        {% endfor -%}
        smallest_difference,
        'rest' as group_type
    from cells
),

totals as (
    {{ rolled_up('cells', ['segment_id'], ['segmentation', 'mart', 'metric', 'kind', 'cell', 'smallest_difference'], ['event_count']) }}
),

everybody as (
    select
        segmentation,
        cast(null as bigint) as segment_id,
        mart,
        metric,
        kind,
        cell,
        {% for sum in cell_sums() + ['event_count'] -%}
        {{ sum }},
        {% endfor -%}
        smallest_difference,
        'all' as group_type
    from totals
),

all_groups as (
    select * from segments
    union all
    select * from rests
    union all
    select * from everybody
),

estimated as (
    select
        *,
        {{ cell_estimate() }} as estimate,
        {{ cell_standard_error() }} as standard_error,
        {{ is_small_cell('customer_count', 'event_count') }} as is_small_cell
    from all_groups
),

final as (
    select
        *,
        {{ cell_low('estimate', 'standard_error') }} as estimate_low,
        {{ cell_high('estimate', 'standard_error') }} as estimate_high
    from estimated
)

select * from final
