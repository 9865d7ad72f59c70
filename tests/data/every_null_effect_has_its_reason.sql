{% set reasons = {
    'itt_effect': ['not_measured'],
    'relative_effect': ['not_measured', 'none_treated', 'none_held_out', 'adjusted_below_zero'],
    'power': ['not_measured', 'no_variation'],
    'detectable_effect': ['not_measured', 'no_variation'],
    'pooled_effect': ['not_measured', 'no_variation', 'all_customers', 'few_segments'],
    'p': ['not_measured', 'no_variation', 'small_cell'],
} %}

{% for figure, names in reasons.items() %}
select
    '{{ figure }}' as figure_name,
    segmentation,
    segment_id,
    campaign_id,
    outcome,
    null_reasons
from {{ ref('campaign_effects') }}
where
    ({{ figure }} is null) <> (
        {%- for name in names %}
        {{ 'or ' if not loop.first }}concat('|', coalesce(null_reasons, ''), '|') like '%|{{ name }}|%'
        {%- endfor %}
    )
{{ 'union all' if not loop.last }}
{% endfor %}
