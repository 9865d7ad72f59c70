{%- set own = relation_as_left('segment_members') -%}

-- A refit finds the segments again by these; the build file's own are later than the last publish's.
-- No input that dbt knows of: {{ content_as_left('segment_members') }}
with published as (
    select
        segmentation,
        entity_id,
        segment_id,
        row_number() over (partition by segmentation, entity_id order by valid_from desc) as nth_latest
    from {{ source('state', 'segment_history') }}
),

final as (
    {% if own is none -%}
    select
        segmentation,
        entity_id,
        segment_id
    from published
    where nth_latest = 1 and segment_id > 0
    {%- else -%}
    select
        segmentation,
        entity_id,
        segment_id
    from {{ own }}
    {%- endif %}
)

select * from final
