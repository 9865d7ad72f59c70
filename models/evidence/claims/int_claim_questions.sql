{{ config(schema='intermediate') }}

with final as (
    {% for metric in claimable_metrics() -%}
    select
        '{{ metric.mart }}' as mart,
        '{{ metric.metric }}' as metric,
        '{{ metric.unit }}' as unit,
        cast({{ quoted(metric.cell) if metric.get('cell') else 'null' }} as {{ text_type() }}) as cell_key,
        cast({{ quoted(metric.other_cell) if metric.get('other_cell') else 'null' }} as {{ text_type() }}) as other_cell_key,
        cast({{ quoted(metric.cells_of) if metric.get('cells_of') else 'null' }} as {{ text_type() }}) as cells_of,
        {{ 'true' if metric.get('is_difference') else 'false' }} as is_difference,
        {{ 'true' if metric.get('kind') else 'false' }} as is_compared,
        {{ 'true' if metric.get('needs_real_rows') else 'false' }} as needs_real_rows,
        cast({{ metric.get('smallest_difference', 'null') }} as double) as smallest_difference
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
