{{ config(schema='intermediate') }}

with reached as (
    select
        customer_id,
        row_number() over (order by customer_id) as customer_number,
        {{ customer_bucket('customer_id') }} as customer_bucket
    from {{ ref('int_impression_days') }}
    group by customer_id
),

final as (
    select
        cast(0 as bigint) as group_id,
        reached.customer_id,
        reached.customer_number,
        reached.customer_bucket
    from reached
    union all
    select
        customer_groups.group_id,
        reached.customer_id,
        reached.customer_number,
        reached.customer_bucket
    from reached
    inner join {{ ref('customer_segments') }} as members on reached.customer_id = members.customer_id
    inner join {{ ref('int_customer_groups') }} as customer_groups
        on members.segmentation = customer_groups.segmentation and members.segment_id = customer_groups.segment_id
)

select * from final
