{{ config(schema='intermediate') }}
{% set profile_sums = {'y': 'value_sum', 'yy': 'values_squared', 'yyy': 'values_cubed'} %}

-- The mean of a feature has the smallest difference of the feature: so many of its standard deviations.
with profiles as (
    select
        segmentation,
        segment_id,
        'segment_profiles' as mart,
        cast(null as {{ text_type() }}) as cell,
        feature as metric,
        'mean' as kind,
        value_count as customer_count,
        cast(null as bigint) as carrier_count,
        {% for power in cell_powers() -%}
        cast({{ profile_sums.get(power, 'null') }} as double) as sum_{{ power }},
        {% endfor -%}
        value_count as event_count,
        {{ var('smallest_profile_difference') }} * population_deviation as smallest_difference
    from {{ ref('segment_profiles') }}
),

final as (
    select * from profiles
    {% for metric in var('metrics') -%}
    union all
    select
        segmentation,
        segment_id,
        '{{ metric.mart }}' as mart,
        cast({{ metric.get('cell', 'null') }} as {{ text_type() }}) as cell,
        {{ metric_sums(metric) }},
        cast({{ metric.smallest_difference }} as double) as smallest_difference
    from {{ ref(metric.get('sums_in', metric.mart)) }}
    {%- if metric.get('sums_in') %}
    where metric = '{{ metric.metric }}'
    {%- endif %}
    {% endfor %}
)

select * from final
