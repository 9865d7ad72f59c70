{{ config(schema='intermediate') }}

with final as (
    {% for metric in claimable_metrics() -%}
    {% set outer_loop = loop -%}
    {% for raw_column in metric.raw_columns -%}
    select
        '{{ metric.mart }}' as mart,
        '{{ metric.metric }}' as metric,
        '{{ raw_column }}' as raw_column
    {{ 'union all' if not (loop.last and outer_loop.last) }}
    {% endfor -%}
    {% endfor %}
)

select * from final
