{% set figures = {'full_payment_share': 1, 'cash_advance_to_limit': none, 'utilisation': none, 'minimum_payment_coverage': none} %}
{% set moments = {'estimate': 'estimate', 'error': 'standard_error', 'cumulant': 'third_cumulant', 'covariance': 'error_covariance'} %}

with estimated as (
    select
        *,
        {{ cell_figures() }}
    from {{ ref('int_card_segment_sums') }}
),

beside_each_other as (
    select
        segmentation,
        segment_id
        {%- for figure in figures %},
        max(case when metric = '{{ figure }}' then customer_count else 0 end) as {{ figure }}_count
        {%- for name, column in moments.items() %},
        max(case when metric = '{{ figure }}' then {{ column }} end) as {{ figure }}_{{ name }}
        {%- endfor %}
        {%- endfor %}
    from estimated
    group by segmentation, segment_id
),

final as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        segments.entity_count as account_count,
        {% for figure, maximum in figures.items() -%}
        {{ figure }}_count,
        {{ interval_of_moments(figure, 0, maximum) }},
        {% endfor -%}
        {{ is_small_cell('segments.entity_count', 'segments.entity_count') }} as is_small_cell
    from {{ ref('segments') }} as segments
    inner join beside_each_other
        on segments.segmentation = beside_each_other.segmentation and segments.segment_id = beside_each_other.segment_id
)

select * from final
