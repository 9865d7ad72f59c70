{{ config(schema='intermediate') }}

with final as (
    {% for metric in var('metrics') -%}
    select
        segmentation,
        segment_id,
        '{{ metric.mart }}' as mart,
        cast({{ metric.get('cell', 'null') }} as {{ text_type() }}) as cell,
        {{ metric_sums(metric) }},
        cast({{ metric.smallest_difference }} as double) as smallest_difference
    from {{ ref(metric.mart) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
