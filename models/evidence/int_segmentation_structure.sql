{{ config(schema='intermediate', materialized='view') }}

-- All segments of a segmentation come from one fit.
with final as (
    select distinct
        segmentation,
        no_structure_found
    from {{ ref('segments') }}
)

select * from final
