with verdicts as (
    select * from {{ ref('int_claim_verdicts') }}
),

published as (
    select
        history.*,
        row_number() over (partition by history.claim_id order by history.as_of_on desc) as nth_latest
    from {{ source('state', 'claim_verdict_history') }} as history
    cross join {{ ref('as_of') }} as as_of
    where history.as_of_on < as_of.as_of_on
),

final as (
    select
        verdicts.*,
        published.verdict as previous_verdict,
        published.as_of_on as previous_as_of_on,
        case
            when published.verdict <> verdicts.verdict then {{ verdict_change('published', 'verdicts') }}
        end as what_changed
    from verdicts
    left join published on verdicts.claim_id = published.claim_id and published.nth_latest = 1
)

select * from final
