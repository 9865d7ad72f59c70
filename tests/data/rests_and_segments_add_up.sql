{% set sums = cell_sums() + ['event_count'] %}

with totals as (
    select
        segmentation,
        mart,
        metric,
        coalesce(cell, '') as cell
        {%- for sum in sums %},
        sum({{ sum }}) as {{ sum }}
        {%- endfor %}
    from {{ ref('int_metric_cells') }}
    group by segmentation, mart, metric, coalesce(cell, '')
),

added as (
    select
        segmentation,
        segment_id,
        mart,
        metric,
        coalesce(cell, '') as cell,
        count(*) as group_count
        {%- for sum in sums %},
        sum({{ sum }}) as {{ sum }}
        {%- endfor %}
    from {{ ref('int_metric_groups') }}
    where group_type in ('segment', 'rest')
    group by segmentation, segment_id, mart, metric, coalesce(cell, '')
)

select
    totals.segmentation,
    added.segment_id,
    totals.mart,
    totals.metric,
    totals.cell,
    added.group_count
from totals
left join added
    on
        totals.segmentation = added.segmentation
        and totals.mart = added.mart
        and totals.metric = added.metric
        and totals.cell = added.cell
where
    coalesce(added.group_count, 0) <> 2
    {%- for sum in sums %}
    or abs(added.{{ sum }} - totals.{{ sum }}) > 1e-9 * (1 + abs(totals.{{ sum }}))
    {%- endfor %}
