{{ config(schema='intermediate') }}

with responses as (
    select
        *,
        {{ is_precise('log_error') }} as is_precise,
        {{ is_flat('relative_response', 'log_error') }} as is_flat
    from {{ ref('int_candidate_responses') }}
),

with_doubts as (
    select
        *,
        min(case when not is_flat then cap end) over (partition by comparison, group_id, channel) as first_doubtful_cap
    from responses
),

reaches as (
    select
        comparison,
        group_id,
        channel,
        max(case when is_precise then cap end) as largest_precise_cap,
        max(case when cap < coalesce(first_doubtful_cap, cap + 1) then cap end) as largest_flat_cap,
        max(case when cap = {{ var('no_cap_reach') }} then relative_response end) as response_at_reach,
        max(case when cap = {{ var('no_cap_reach') }} then log_error end) as log_error_at_reach
    from with_doubts
    group by comparison, group_id, channel
),

final as (
    select
        reaches.*,
        profiles.cap,
        profiles.cap_low,
        profiles.cap_high,
        profiles.relative_response,
        profiles.log_error,
        case
            when {{ is_fallen('profiles.relative_response', 'profiles.log_error') }} then 'cap'
            when reaches.largest_flat_cap >= {{ var('no_cap_reach') }} then 'no_cap'
            else 'weak'
        end as reading
    from reaches
    left join {{ ref('int_frequency_cap_profiles') }} as profiles
        on
            reaches.comparison = profiles.comparison
            and reaches.group_id = profiles.group_id
            and reaches.channel = profiles.channel
)

select * from final
