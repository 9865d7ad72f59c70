{{ config(schema='intermediate') }}

with final as (
    select
        group_id,
        channel,
        cap,
        sum({{ weighted_after() }}) as numerator,
        sum({{ weighted_before() }}) as denominator
    from {{ ref('int_response_strata') }}
    group by group_id, channel, cap
    having sum(clicks_after) > 0 and sum(clicks_before) > 0
)

select * from final
