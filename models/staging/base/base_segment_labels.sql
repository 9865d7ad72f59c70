{{ config(materialized='table') }}
{% set raw = received('segment_labels') %}
{% set keys = {'segmentation': to_code(raw, 'segmentation'), 'label': to_text(raw, 'label')} %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_text(raw, 'segment') }} as segment,
        {{ to_code(raw, 'rule_metric') }} as rule_metric,
        {{ to_integer(raw, 'rule_rank') }} as rule_rank,
        {{ to_text(raw, 'assumption') }} as assumption
    from received
),

checked as {{ inlined() }} (
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
    {{ with_row_status('checked', keys) }}
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
