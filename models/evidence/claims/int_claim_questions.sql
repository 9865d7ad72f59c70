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
        cast({{ quoted(metric.compared_with) if metric.get('compared_with') else 'null' }} as {{ text_type() }}) as compared_with,
        {{ 'true' if metric.get('is_difference') else 'false' }} as is_difference,
        {{ 'true' if metric.get('kind') else 'false' }} as is_compared,
        {{ 'true' if metric.get('by_segment', true) else 'false' }} as is_by_segment,
        {{ 'true' if metric.get('within_segments') else 'false' }} as is_within_segments,
        {{ 'true' if metric.get('shares_a_part') else 'false' }} as shares_a_part,
        {{ 'true' if metric.get('needs_real_rows') else 'false' }} as needs_real_rows,
        cast({{ metric.get('smallest_difference', 'null') }} as double) as smallest_difference
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
