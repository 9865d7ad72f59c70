{{ config(schema='intermediate', contract={'enforced': false}) }}

-- Every segment at the publish before, now, or at both.
with fits as (
    select distinct
        segmentation,
        fit_id
    from {{ ref('segments') }}
),

dates as (
    select
        fits.segmentation,
        as_of.as_of_on,
        fits.fit_id,
        max(versions.as_of_on) as earlier_as_of_on
    from fits
    cross join {{ ref('as_of') }} as as_of
    inner join {{ source('state', 'segment_versions') }} as versions
        on fits.segmentation = versions.segmentation and versions.as_of_on < as_of.as_of_on
    group by fits.segmentation, as_of.as_of_on, fits.fit_id
),

earlier as (
    select versions.*
    from {{ source('state', 'segment_versions') }} as versions
    inner join dates
        on versions.segmentation = dates.segmentation and versions.as_of_on = dates.earlier_as_of_on
),

earlier_fits as (
    select distinct
        segmentation,
        fit_id
    from earlier
),

paired as (
    select
        coalesce(segments.segmentation, earlier.segmentation) as segmentation,
        coalesce(segments.segment_id, earlier.segment_id) as segment_id,
        segments.segment_name,
        earlier.segment_name as earlier_segment_name,
        segments.entity_count,
        earlier.entity_count as earlier_entity_count
    from {{ ref('segments') }} as segments
    full outer join earlier
        on segments.segmentation = earlier.segmentation and segments.segment_id = earlier.segment_id
),

final as (
    select
        paired.*,
        dates.as_of_on,
        dates.earlier_as_of_on,
        dates.fit_id,
        earlier_fits.fit_id as earlier_fit_id
    from paired
    inner join dates on paired.segmentation = dates.segmentation
    inner join earlier_fits on paired.segmentation = earlier_fits.segmentation
)

select * from final
