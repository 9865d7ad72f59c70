{{ config(schema='intermediate', post_hook="{{ stop_at_first_problem('seeds/impression_bands.csv') }}") }}

with typed as (
    select
        nullif({{ trimmed('band_name') }}, '') as band_name,
        from_impressions as from_text,
        nullif({{ trimmed('to_impressions') }}, '') as to_text,
        {{ whole_number('from_impressions') }} as from_impressions,
        {{ whole_number('to_impressions') }} as to_impressions
    from {{ ref('impression_bands') }}
),

ordered as (
    select
        *,
        lag(band_name) over bands as previous_band,
        lag(to_impressions) over bands as previous_to,
        row_number() over bands as place,
        count(*) over () as band_count,
        count(*) over (partition by band_name) as namesake_count
    from typed
    window bands as (order by from_impressions nulls first, to_impressions nulls last, band_name nulls first)
),

judged as (
    select
        *,
        case
            when band_name is null then 'it needs a name'
            when namesake_count > 1 then 'its name stands there twice'
            when from_impressions is null
                then 'from_impressions ' || coalesce(from_text, '(empty)') || ' is no whole number of at least 1'
            when to_text is not null and to_impressions is null
                then 'to_impressions ' || to_text || ' is no whole number of at least 1'
            when to_impressions < from_impressions then 'it ends before it starts'
            when place = 1 and from_impressions > 1 then 'the first band starts at 1'
            when from_impressions <= previous_to
                then 'it overlaps band ' || previous_band || '; start it at ' || cast(previous_to + 1 as {{ text_type() }})
            when from_impressions > previous_to + 1
                then 'there is a gap after band ' || previous_band || '; start it at ' || cast(previous_to + 1 as {{ text_type() }})
            when place < band_count and to_impressions is null then 'only the last band is open; give it a to_impressions'
            when place = band_count and to_impressions is not null then 'the last band is open; leave to_impressions empty'
        end as rule_broken
    from ordered
),

final as (
    select
        band_name,
        from_impressions,
        to_impressions,
        'band ' || coalesce(band_name, '(empty)') || ': ' || rule_broken as row_problem
    from judged
)

select * from final
