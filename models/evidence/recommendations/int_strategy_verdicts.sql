{{ config(schema='intermediate') }}

with cited as (
    select
        strategies.strategy_id,
        verdicts.claim_id,
        verdicts.sentence,
        verdicts.verdict,
        coalesce(verdicts.verdict_label, 'An explanation') as verdict_label
    from {{ ref('int_strategies') }} as strategies
    inner join {{ ref('strategy_claims') }} as cited on strategies.strategy_id = cited.strategy_id
    inner join {{ ref('claim_verdicts') }} as verdicts on cited.claim_id = verdicts.claim_id
),

labels as (
    select
        strategy_id,
        verdict_label,
        verdict_label || ' (' || cast(count(*) as {{ text_type() }}) || ')' as counted_label
    from cited
    group by strategy_id, verdict_label
),

label_lists as (
    select
        strategy_id,
        {{ dbt.listagg('counted_label', "', '", 'order by verdict_label') }} as verdict_labels
    from labels
    group by strategy_id
),

counted as (
    select
        strategy_id,
        {{ dbt.listagg('claim_id', "'|'", 'order by claim_id') }} as rests_on,
        count(*) as claim_count,
        count(case when verdict = 'supported' then 1 end) as supported_claim_count,
        count(case when verdict = 'contradicted' then 1 end) as contradicted_claim_count,
        min(case when verdict = 'contradicted' then sentence end) as contradicted_sentence
    from cited
    group by strategy_id
),

final as (
    select
        counted.*,
        label_lists.verdict_labels
    from counted
    inner join label_lists on counted.strategy_id = label_lists.strategy_id
)

select * from final
