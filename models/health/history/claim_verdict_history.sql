{{ config(schema='segments', contract={'enforced': false}) }}

with final as (
    {{ of_other_dates('claim_verdict_history', ref('segments')) }}
    union all
    select
        verdicts.claim_id,
        verdicts.segmentation,
        as_of.as_of_on,
        verdicts.verdict,
        verdicts.verdict_label,
        verdicts.estimate_low,
        verdicts.estimate_high,
        verdicts.customer_count
    from {{ ref('claim_verdicts') }} as verdicts
    cross join {{ ref('as_of') }} as as_of
    where verdicts.verdict is not null
)

select * from final
