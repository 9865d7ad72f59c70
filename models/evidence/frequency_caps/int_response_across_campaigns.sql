{{ config(schema='intermediate') }}

with ratios as (
    select * from {{ ref('int_response_across_ratios') }}
),

profiles as (
    select
        strata.group_id,
        strata.channel,
        strata.cap,
        sum({{ profile_likelihood('numerator / denominator') }}) as log_likelihood,
        sum({{ profile_information('numerator / denominator') }}) as information
    from {{ ref('int_response_strata') }} as strata
    inner join ratios
        on strata.group_id = ratios.group_id and strata.channel = ratios.channel and strata.cap = ratios.cap
    group by strata.group_id, strata.channel, strata.cap
),

final as (
    select
        ratios.group_id,
        ratios.channel,
        ratios.cap,
        ratios.numerator / ratios.denominator as relative_response,
        errors.log_error,
        profiles.log_likelihood,
        profiles.information
    from ratios
    inner join {{ ref('int_response_across_errors') }} as errors
        on ratios.group_id = errors.group_id and ratios.channel = errors.channel and ratios.cap = errors.cap
    inner join profiles
        on ratios.group_id = profiles.group_id and ratios.channel = profiles.channel and ratios.cap = profiles.cap
)

select * from final
