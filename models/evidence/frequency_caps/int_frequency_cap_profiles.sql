{{ config(schema='intermediate') }}

with declines as (
    select * from {{ ref('int_candidate_responses') }}
    where relative_response < 1
),

ranked as (
    select
        *,
        row_number() over (
            partition by comparison, group_id, channel
            order by log_likelihood desc, cap asc
        ) as likelihood_rank
    from declines
),

best as (
    select
        comparison,
        group_id,
        channel,
        cap,
        relative_response,
        log_error,
        log_likelihood,
        information * {{ square('log_error') }} as dispersion
    from ranked
    where likelihood_rank = 1
),

final as (
    select
        best.comparison,
        best.group_id,
        best.channel,
        best.cap,
        min(declines.cap) as cap_low,
        max(declines.cap) as cap_high,
        best.relative_response,
        best.log_error
    from best
    inner join declines
        on best.comparison = declines.comparison and best.group_id = declines.group_id and best.channel = declines.channel
    where
        2 * (best.log_likelihood - declines.log_likelihood) <= {{ square(interval_z()) }} * greatest(1, best.dispersion)
    group by best.comparison, best.group_id, best.channel, best.cap, best.relative_response, best.log_error
)

select * from final
