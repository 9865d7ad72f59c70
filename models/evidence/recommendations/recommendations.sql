-- Strategies that name something unknown stop the build before they are judged.
-- depends_on: {{ ref('int_strategy_problems') }}
with strategies as (
    select * from {{ ref('int_strategies') }}
),

groups as (
    select * from {{ ref('int_metric_groups') }}
    where group_type in ('segment', 'all')
),

judged as (
    select
        strategies.*,
        verdicts.rests_on,
        verdicts.claim_count,
        verdicts.supported_claim_count,
        verdicts.contradicted_claim_count,
        verdicts.contradicted_sentence,
        verdicts.verdict_labels,
        effects.campaign_id as effect_campaign_id,
        effects.expected_effect,
        effects.expected_effect_low,
        effects.expected_effect_high,
        structure.no_structure_found,
        {{ strategy_status('verdicts.claim_count', 'verdicts.supported_claim_count', 'verdicts.contradicted_claim_count') }} as status,
        questions.unit,
        groups.kind,
        groups.estimate as baseline,
        groups.estimate_low as baseline_low,
        groups.estimate_high as baseline_high,
        groups.customer_count,
        groups.is_small_cell,
        groups.smallest_difference,
        groups.customer_count * groups.standard_error * groups.standard_error as variance,
        groups.estimate + case when strategies.target_change < 0 then -1 else 1 end * groups.smallest_difference as changed
    from strategies
    inner join {{ ref('int_strategy_verdicts') }} as verdicts on strategies.strategy_id = verdicts.strategy_id
    left join {{ ref('int_segmentation_structure') }} as structure on strategies.segmentation = structure.segmentation
    left join {{ ref('int_strategy_effects') }} as effects on strategies.strategy_id = effects.strategy_id
    left join {{ ref('int_claim_questions') }} as questions
        on strategies.kpi_mart = questions.mart and strategies.kpi_metric = questions.metric
    left join groups
        on
            strategies.segmentation = groups.segmentation
            and strategies.kpi_mart = groups.mart
            and strategies.kpi_metric = groups.metric
            and {{ null_safe_equal('strategies.kpi_cell', 'groups.cell') }}
            and coalesce(strategies.segment_id, 0) = coalesce(groups.segment_id, 0)
),

planned as (
    select
        *,
        case
            when status = 'test_first'
                then {{ customers_per_arm(
                    'variance', "case when kind = 'proportion' then " ~ not_negative('changed * (1 - changed)') ~ ' else variance end',
                    'smallest_difference') }}
        end as customers_per_arm
    from judged
),

final as (
    select
        strategy_id,
        source,
        segmentation,
        segment_id,
        segment_name,
        strategy,
        wording,
        rests_on as claim_ids,
        cast(claim_count as bigint) as claim_count,
        cast(supported_claim_count as bigint) as supported_claim_count,
        cast(contradicted_claim_count as bigint) as contradicted_claim_count,
        status,
        {{ strategy_reason() }} as reason,
        kpi_mart,
        kpi_metric,
        kpi_cell,
        unit,
        cast(customer_count as bigint) as customer_count,
        baseline,
        baseline_low,
        baseline_high,
        is_small_cell,
        cast(target_change as double) as target_change,
        baseline * (1 + cast(target_change as double)) as target,
        smallest_difference,
        customers_per_arm,
        customer_count >= 2 * customers_per_arm as is_test_possible,
        case
            when expected_effect is not null then 'randomised'
            when supported_claim_count > 0 then 'descriptive'
            else 'none'
        end as evidence,
        effect_campaign_id,
        expected_effect,
        expected_effect_low,
        expected_effect_high,
        no_structure_found
    from planned
)

select * from final
