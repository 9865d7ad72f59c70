{#- Every row goes to the nearest centre: one expression per centre over one row of constants, which is
    several times faster than joining rows with centres and grouping. -#}

{% macro fit_constants(segmentation) %}
    {#- The fit in use as one row: fill, shift and scale per feature, centre per segment and feature. -#}
    select
        fit_id
        {%- for position in range(1, segmentation.features | length + 1) %}
            {%- for part in ['fill_value', 'shift', 'scale'] %},
        max(case when feature_position = {{ position }} then {{ part }} end) as {{ part }}_{{ position }}
            {%- endfor %}
            {%- for segment in range(1, largest_k(segmentation) + 1) %},
        max(case when segment_id = {{ segment }} and feature_position = {{ position }} then centre end)
            as centre_{{ segment }}_{{ position }}
            {%- endfor %}
        {%- endfor %}
    from {{ ref('current_fits') }}
    where segmentation = {{ quoted(segmentation.name) }}
    group by fit_id
{%- endmacro %}


{% macro standardised_rows(segmentation, constants) %}
    select
        inputs.segmentation,
        inputs.grain,
        inputs.entity_id,
        constants.*
        {%- for position in range(1, segmentation.features | length + 1) %},
        (coalesce({{ finite('inputs.' ~ value_column(position)) }}, constants.fill_value_{{ position }}) - constants.shift_{{ position }})
            / constants.scale_{{ position }} as standardised_{{ position }}
        {%- endfor %}
    from {{ ref('segmentation_inputs') }} as inputs
    cross join {{ constants }} as constants
    where inputs.segmentation = {{ quoted(segmentation.name) }}
{%- endmacro %}


{% macro squared_distance(segmentation, segment) -%}
    {%- for position in range(1, segmentation.features | length + 1) -%}
    {%- set difference = '(standardised_' ~ position ~ ' - centre_' ~ segment ~ '_' ~ position ~ ')' -%}
    {{ ' + ' if not loop.first }}{{ difference }} * {{ difference }}
    {%- endfor -%}
{%- endmacro %}


{% macro distances(segmentation, rows) %}
    select
        segmentation,
        grain,
        entity_id,
        fit_id
        {%- for segment in range(1, largest_k(segmentation) + 1) %},
        {{ squared_distance(segmentation, segment) }} as squared_{{ segment }}
        {%- endfor %}
    from {{ rows }}
{%- endmacro %}


{% macro nearest(segmentation, distances) %}
    {#- Ties (closer than 1e-9 of the distance) take the lowest segment id. A fit with fewer segments than
        asked for leaves the rest null, which least() passes over. -#}
    {%- set all = [] -%}
    {%- for segment in range(1, largest_k(segmentation) + 1) -%}{%- do all.append('squared_' ~ segment) -%}{%- endfor -%}
    select
        *,
        case
            {%- for squared in all %}
            when {{ squared }} <= {{ least(all) }} * (1 + 2e-9) then {{ loop.index }}
            {%- endfor %}
        end as segment_id
    from {{ distances }}
{%- endmacro %}


{% macro members(segmentation, nearest) %}
    {%- set own = [] -%}
    {%- set others = [] -%}
    {%- for segment in range(1, largest_k(segmentation) + 1) -%}
        {%- do own.append('case when segment_id = ' ~ segment ~ ' then squared_' ~ segment ~ ' end') -%}
        {%- do others.append('case when segment_id <> ' ~ segment ~ ' then squared_' ~ segment ~ ' end') -%}
    {%- endfor -%}
    select
        segmentation,
        grain,
        entity_id,
        segment_id,
        sqrt({{ least(own) }}) as distance,
        sqrt({{ least(others) }}) as second_distance,
        fit_id
    from {{ nearest }}
{%- endmacro %}


{% macro least(expressions) -%}
    {{ expressions[0] if expressions | length == 1 else 'least(' ~ expressions | join(', ') ~ ')' }}
{%- endmacro %}
