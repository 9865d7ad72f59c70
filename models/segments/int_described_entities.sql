{{ config(schema='intermediate') }}

with inputs as (
    select * from {{ ref('segmentation_inputs') }}
),

members as (
    select * from {{ ref('segment_members') }}
),

numbered as (
    select
        inputs.*,
        members.segment_id,
        members.fit_id,
        row_number() over (
            partition by inputs.segmentation
            order by md5(inputs.entity_id), inputs.entity_id
        ) as draw_number
    from inputs
    inner join members
        on inputs.segmentation = members.segmentation and inputs.entity_id = members.entity_id
),

-- More entities make no rule clearer.
final as (
    select *
    from numbered
    where draw_number <= {{ var('described_entity_limit') }}
)

select * from final
