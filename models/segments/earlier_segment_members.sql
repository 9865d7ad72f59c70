{{ config(materialized='view') }}

with points as (
    select
        history.*,
        row_number() over (
            partition by history.segmentation, history.entity_id order by history.valid_from desc
        ) as nth_latest
    from {{ source('state', 'segment_history') }} as history
    cross join {{ ref('as_of') }} as as_of
    where history.valid_from < as_of.as_of_on
),

final as (
    select
        segmentation,
        grain,
        entity_id,
        segment_id,
        fit_id
    from points
    where nth_latest = 1 and segment_id > 0
)

select * from final
