{% set metrics = var('metrics') | selectattr('mart', 'equalto', 'segment_transactions') | list %}
{% set months = {
    'int_segment_customer_amounts': 'cast(null as date)',
    'int_segment_month_customer_amounts': 'month_starts_on',
} %}

-- The cells of the whole window have no month.
with cells as (
    {% for amounts, month in months.items() -%}
    {% set outer_loop = loop -%}
    {% for metric in metrics -%}
    select
        segmentation,
        transaction_type,
        {{ month }} as month_starts_on,
        segment_id,
        {{ metric_sums(metric) }}
    from {{ ref(amounts) }}
    {{ 'union all' if not (loop.last and outer_loop.last) }}
    {% endfor -%}
    {% endfor %}
),

groups as (
    {{ with_rests('cells', ['segmentation', 'transaction_type', 'month_starts_on']) }}
),

estimated as (
    select
        *,
        {{ cell_figures() }}
    from groups
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        month_starts_on,
        metric,
        kind,
        group_type,
        estimate,
        standard_error,
        third_cumulant,
        error_covariance,
        {{ is_cell_without_verdict() }} as is_small_cell
    from estimated
)

select * from final
