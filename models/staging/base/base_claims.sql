{{ config(materialized='table') }}
{% set raw = received('claims') %}
{% set keys = {'claim_id': to_text(raw, 'claim_id')} %}
{% set figures = ['figure', 'tolerance', 'figure_low', 'figure_high'] %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_text(raw, 'source') }} as source,
        {{ to_text(raw, 'sentence') }} as sentence,
        {{ to_code(raw, 'claim_type') }} as claim_type,
        {{ to_code(raw, 'mart') }} as mart,
        {{ to_code(raw, 'metric') }} as metric,
        {{ to_code(raw, 'segmentation') }} as segmentation,
        {{ to_text(raw, 'segment') }} as segment,
        {{ to_text(raw, 'compared_with') }} as compared_with,
        {% for column in ['channel', 'product', 'owned_product', 'transaction_type', 'touchpoint', 'band'] -%}
        {{ to_code(raw, column) }} as {{ column }},
        {% endfor -%}
        {{ to_text(raw, 'sign') }} as sign,
        {% for column in figures -%}
        {{ to_double(raw, column) }} as {{ column }},
        {% endfor -%}
        {{ to_text(raw, 'read_as') }} as read_as
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(keys=['claim_id'], rules={'missing_sentence': 'sentence is null'}) }} as broken_rules,
        {{ blanked_columns(raw, figures) }} as blanked_columns
    from typed
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        claim_id,
        source,
        sentence,
        claim_type,
        mart,
        metric,
        segmentation,
        segment,
        compared_with,
        channel,
        product,
        owned_product,
        transaction_type,
        touchpoint,
        band,
        sign,
        figure,
        tolerance,
        figure_low,
        figure_high,
        read_as,
        is_deleted,
        {{ row_status_columns() }}
    from decided
)

select * from final
