{{ config(materialized='table') }}
{% set raw = received('given_segments') %}

with received as (
    {{ received_rows(raw) }}
),

typed as (
    select
        {{ delivery_columns(raw) }},
        {{ to_code(raw, 'segmentation') }} as segmentation,
        {{ to_text(raw, 'entity_id') }} as entity_id,
        {{ to_text(raw, 'segment') }} as segment
    from received
),

checked as (
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
    {{ with_row_status('checked', keys=['segmentation', 'entity_id']) }}
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
