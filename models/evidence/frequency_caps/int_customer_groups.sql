{{ config(schema='intermediate') }}

with segments as (
    select * from {{ ref('segments') }}
    where grain = 'customer'
),

final as (
    select
        cast(row_number() over (order by segmentation, segment_id) as bigint) as group_id,
        false as is_all_customers,
        segmentation,
        segment_id,
        segment_name
    from segments
    union all
    select
        cast(0 as bigint) as group_id,
        true as is_all_customers,
        cast(null as {{ text_type() }}) as segmentation,
        cast(null as bigint) as segment_id,
        cast(null as {{ text_type() }}) as segment_name
)

select * from final
