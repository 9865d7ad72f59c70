{{ config(schema='segments', contract={'enforced': false}) }}

-- What a figure is made from at every published date: metric_numerator and metric_denominator, by segment.
with final as (
    {{ of_other_dates('segment_metric_sums', ref('segments')) }}
    union all
    select
        cells.segmentation,
        as_of.as_of_on,
        cells.segment_id,
        cells.mart,
        cells.metric,
        cells.cell,
        cells.sum_y as metric_numerator,
        cast(case when cells.kind = 'ratio' then cells.sum_x else cells.customer_count end as double) as metric_denominator
    from {{ ref('int_metric_cells') }} as cells
    cross join {{ ref('as_of') }} as as_of
)

select * from final
