{{ config(schema='intermediate') }}

with final as (
    {% for metric in var('metrics') -%}
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
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
