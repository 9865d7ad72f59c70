{{ config(schema='intermediate') }}

-- The mean of a feature has the smallest difference of the feature: so many of its standard deviations.
with profiles as (
    select
        segmentation,
        segment_id,
        'segment_profiles' as mart,
        feature as metric,
        'mean' as kind,
        cast(null as {{ text_type() }}) as cell,
        value_count as customer_count,
        value_sum as sum_y,
        cast(null as double) as sum_x,
        values_squared as sum_yy,
        cast(null as double) as sum_xx,
        cast(null as double) as sum_xy,
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
        '{{ metric.metric }}' as metric,
        '{{ metric.kind }}' as kind,
        cast({{ metric.get('cell', 'null') }} as {{ text_type() }}) as cell,
        {{ metric.customers }} as customer_count,
        cast({{ metric.y }} as double) as sum_y,
        {%- for part in ['x', 'yy', 'xx', 'xy'] %}
        cast({{ metric.get(part, 'null') }} as double) as sum_{{ part }},
        {%- endfor %}
        cast({{ metric.events }} as bigint) as event_count,
        cast({{ metric.smallest_difference }} as double) as smallest_difference
    from {{ ref(metric.mart) }}
    {% endfor %}
)

select * from final
