{{ config(schema='intermediate') }}

with customers as (
    select distinct customer_id from {{ ref('customer_segments') }}
),

numbered as (
    select
        customer_id,
        row_number() over (order by md5(customer_id), customer_id) as draw_number
    from customers
),

-- More customers tell nothing more about chance.
final as (
    select
        members.segmentation,
        members.customer_id as entity_id,
        members.segment_id
    from {{ ref('customer_segments') }} as members
    inner join numbered on members.customer_id = numbered.customer_id
    where numbered.draw_number <= {{ var('noise_customer_limit') }}
)

select * from final
