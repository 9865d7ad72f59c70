{{ config(schema='intermediate', post_hook="{{ stop_at_first_problem('seeds/frequency_cap_candidates.csv') }}") }}

with typed as (
    select
        cap as cap_text,
        {{ whole_number('cap') }} as cap
    from {{ ref('frequency_cap_candidates') }}
),

judged as (
    select
        *,
        case
            when cap is null then 'it is no whole number of at least 1'
            when count(*) over (partition by cap) > 1 then 'it stands there twice'
            when max(case when cap = {{ var('no_cap_reach') }} then 1 else 0 end) over () = 0
                then '{{ var('no_cap_reach') }} must be among the candidates (var no_cap_reach)'
        end as rule_broken
    from typed
),

final as (
    select
        cap,
        'cap ' || coalesce(cap_text, '(empty)') || ': ' || rule_broken as row_problem
    from judged
)

select * from final
