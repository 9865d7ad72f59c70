with fits as (
    select * from {{ ref('segment_fits') }}
),

in_use as (
    select distinct
        segmentation,
        fit_id
    from {{ ref('segment_names') }}
),

final as (
    select
        fits.*,
        cast(dense_rank() over (partition by fits.segmentation order by fits.segment_id) as bigint) as segment_position
    from fits
    inner join in_use on fits.segmentation = in_use.segmentation and fits.fit_id = in_use.fit_id
)

select * from final
