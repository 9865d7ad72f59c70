{{ config(schema='intermediate') }}

with ratios as (
    select * from {{ ref('int_response_within_ratios') }}
),

profiles as (
    select
        members.group_id,
        splits.channel,
        splits.cap,
        sum({{ profile_likelihood('numerator / denominator') }}) as log_likelihood,
        sum({{ profile_information('numerator / denominator') }}) as information
    from {{ ref('int_within_spell_splits') }} as splits
    inner join {{ ref('int_group_members') }} as members on splits.customer_number = members.customer_number
    inner join ratios
        on members.group_id = ratios.group_id and splits.channel = ratios.channel and splits.cap = ratios.cap
    group by members.group_id, splits.channel, splits.cap
),

final as (
    select
        ratios.group_id,
        ratios.channel,
        ratios.cap,
        ratios.numerator / ratios.denominator as relative_response,
        ratios.log_error,
        profiles.log_likelihood,
        profiles.information
    from ratios
    inner join profiles
        on ratios.group_id = profiles.group_id and ratios.channel = profiles.channel and ratios.cap = profiles.cap
)

select * from final
