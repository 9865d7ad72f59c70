{% set sums = cell_sums() + ['event_count'] %}

with everybody as (
    select * from {{ ref('int_metric_groups') }}
    where group_type = 'all'
),

added as (
    select
        segmentation,
        mart,
        metric,
        cell
        {%- for sum in sums %},
        sum({{ sum }}) as {{ sum }}
        {%- endfor %}
    from {{ ref('int_metric_cells') }}
    group by segmentation, mart, metric, cell
)

select
    added.segmentation,
    added.mart,
    added.metric,
    added.cell
from added
full outer join everybody
    on
        added.segmentation = everybody.segmentation
        and added.mart = everybody.mart
        and added.metric = everybody.metric
        and {{ null_safe_equal('added.cell', 'everybody.cell') }}
where
    added.segmentation is null
    or everybody.segmentation is null
    or everybody.segment_id is not null
    {%- for sum in sums %}
    or abs(coalesce(added.{{ sum }}, 0) - coalesce(everybody.{{ sum }}, 0)) > 1e-9 * (1 + abs(coalesce(added.{{ sum }}, 0)))
    {%- endfor %}
