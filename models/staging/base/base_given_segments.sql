{{ config(materialized='table') }}
{% set raw = received('given_segments') %}
{% set keys = {'segmentation': to_code(raw, 'segmentation'), 'entity_id': to_text(raw, 'entity_id')} %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_text(raw, 'segment') }} as segment
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['segmentation', 'entity_id'],
            rules={'missing_segment': 'segment is null'},
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
        entity_id,
        segment,
        {{ row_status_columns() }}
    from decided
)

select * from final
