{{ config(materialized='table') }}
{% set raw = received('segment_labels') %}

with received as (
    {{ received_rows(raw) }}
),

typed as (
    select
        {{ delivery_columns(raw) }},
        {{ to_code(raw, 'segmentation') }} as segmentation,
        {{ to_text(raw, 'label') }} as label,
        {{ to_text(raw, 'segment') }} as segment,
        {{ to_code(raw, 'rule_metric') }} as rule_metric,
        {{ to_integer(raw, 'rule_rank') }} as rule_rank,
        {{ to_text(raw, 'assumption') }} as assumption
    from received
),

checked as (
    select
        *,
        {{ broken_rules(
            keys=['segmentation', 'label'],
            rules={
                'missing_segment': 'segment is null and rule_metric is null',
                'bad_rule_rank': 'segment is null and (rule_rank is null or rule_rank < 1)',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, []) }} as blanked_columns
    from typed
),

decided as (
    {{ with_row_status('checked', keys=['segmentation', 'label']) }}
),

final as (
    select
        segmentation,
        label,
        segment,
        rule_metric,
        rule_rank,
        assumption,
        {{ row_status_columns() }}
    from decided
)

select * from final
