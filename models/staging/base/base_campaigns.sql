{{ config(materialized='table') }}
{% set raw = received('campaigns') %}
{% set keys = {'campaign_id': to_text(raw, 'campaign_id')} %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_text(raw, 'campaign_name') }} as campaign_name,
        {{ to_code(raw, 'objective') }} as objective,
        {{ to_code(raw, 'product') }} as product,
        {{ to_date(raw, 'starts_on') }} as starts_on,
        {{ to_date(raw, 'ends_on') }} as ends_on,
        {{ within(to_decimal(raw, 'budget_amount'), 0) }} as budget_amount,
        {{ within(to_double(raw, 'planned_holdout_share'), 0, 1) }} as planned_holdout_share
    from received
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['campaign_id'],
            rules={
                'bad_starts_on': 'starts_on is null',
                'bad_ends_on': 'ends_on is null',
                'ends_before_start': 'ends_on < starts_on',
            },
        ) }} as broken_rules,
        {{ blanked_columns(raw, ['budget_amount', 'planned_holdout_share']) }} as blanked_columns
    from typed
),

decided as (
    {{ with_row_status('checked', keys) }}
),

final as (
    select
        campaign_id,
        campaign_name,
        objective,
        product,
        starts_on,
        ends_on,
        budget_amount,
        planned_holdout_share,
        {{ row_status_columns() }}
    from decided
)

select * from final
