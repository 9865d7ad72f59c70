{#- Every row goes to the nearest centre: one expression per centre over one row of constants, which is
    several times faster than joining rows with centres and grouping. -#}

{% macro fit_constants(segmentation) %}
    {#- The fit in use as one row: fill, shift and scale per feature; id and centre per segment, which are numbered by
        position, since ids may have gaps. -#}
    select
        fit_id
        {%- for position in range(1, segmentation.features | length + 1) %}
            {%- for part in ['fill_value', 'shift', 'scale'] %},
        max(case when feature_position = {{ position }} then {{ part }} end) as {{ part }}_{{ position }}
            {%- endfor %}
        {%- endfor %}
        {%- for segment in range(1, largest_k(segmentation) + 1) %}
            {%- set centre = [] %}
            {%- for position in range(1, segmentation.features | length + 1) %}
                {%- do centre.append(
                    'max(case when segment_position = ' ~ segment ~ ' and feature_position = ' ~ position ~ ' then centre end)') %}
            {%- endfor %},
        max(case when segment_position = {{ segment }} then segment_id end) as id_{{ segment }},
        case when max(segment_position) >= {{ segment }} then {{ point(centre) }} end as centre_{{ segment }}
        {%- endfor %}
    from {{ ref('current_fits') }}
    where segmentation = {{ quoted(segmentation.name) }}
    group by fit_id
{%- endmacro %}


{% macro standardised_rows(segmentation, constants) %}
    {%- set coordinates = [] %}
    {%- for position in range(1, segmentation.features | length + 1) %}
        {%- do coordinates.append(
            '(' ~ finite('inputs.' ~ value_column(position), 'constants.fill_value_' ~ position)
            ~ ' - constants.shift_' ~ position ~ ') / constants.scale_' ~ position) %}
    {%- endfor %}
    select
        inputs.segmentation,
        inputs.grain,
        inputs.entity_id,
        earlier.segment_id as earlier_segment_id,
        constants.*,
        {{ point(coordinates) }} as standardised
    from {{ ref('segmentation_inputs') }} as inputs
    cross join {{ constants }} as constants
    left join {{ ref('earlier_segment_members') }} as earlier
        on inputs.segmentation = earlier.segmentation and inputs.entity_id = earlier.entity_id
    where inputs.segmentation = {{ quoted(segmentation.name) }}
{%- endmacro %}


{% macro distances(segmentation, rows) %}
    select
        segmentation,
        grain,
        entity_id,
        earlier_segment_id,
        fit_id
        {%- for segment in range(1, largest_k(segmentation) + 1) %},
        id_{{ segment }},
        {{ distance_between('standardised', 'centre_' ~ segment) }} as distance_{{ segment }}
        {%- endfor %}
    from {{ rows }}
{%- endmacro %}


{% macro nearest(segmentation, distances) %}
    {#- Ties (closer than 1e-9 of the distance) take the lowest segment id. A fit with fewer segments than
        asked for leaves the rest null, which least() passes over. -#}
    {%- set all = per_segment(segmentation, 'distance_#') -%}
    select
        *,
        case
            {%- for one in all %}
            when {{ one }} <= {{ least(all) }} * (1 + 1e-9) then id_{{ loop.index }}
            {%- endfor %}
        end as nearest_segment_id,
        {{ least(all) }} as nearest_distance,
        {{ distance_to(segmentation, 'earlier_segment_id') }} as earlier_distance
    from {{ distances }}
{%- endmacro %}


{% macro placed(nearest) %}
    {#- Whoever was in another segment stays there until the nearest centre is nearer by var assignment_hysteresis. -#}
    select
        *,
        case
            when earlier_distance * (1 - {{ var('assignment_hysteresis') }}) <= nearest_distance then earlier_segment_id
            else nearest_segment_id
        end as segment_id
    from {{ nearest }}
{%- endmacro %}


{% macro members(segmentation, placed) %}
    {%- set others = least(per_segment(segmentation, 'case when id_# <> segment_id then distance_# end')) -%}
    select
        segmentation,
        grain,
        entity_id,
        segment_id,
        nearest_segment_id,
        case {{ others }}
            {%- for segment in range(1, largest_k(segmentation) + 1) %}
            when case when id_{{ segment }} <> segment_id then distance_{{ segment }} end then id_{{ segment }}
            {%- endfor %}
        end as second_segment_id,
        {{ distance_to(segmentation, 'segment_id') }} as distance,
        {{ others }} as second_distance,
        fit_id
    from {{ placed }}
{%- endmacro %}


{% macro distance_to(segmentation, segment_id) -%}
    case {{ segment_id }}
        {%- for segment in range(1, largest_k(segmentation) + 1) %}
        when id_{{ segment }} then distance_{{ segment }}
        {%- endfor %}
    end
{%- endmacro %}


{% macro per_segment(segmentation, expression) %}
    {#- The expression once a segment, its number for #. -#}
    {% set found = [] %}
    {% for segment in range(1, largest_k(segmentation) + 1) %}{% do found.append(expression | replace('#', segment | string)) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro least(expressions) -%}
    {{ expressions[0] if expressions | length == 1 else 'least(' ~ expressions | join(', ') ~ ')' }}
{%- endmacro %}
