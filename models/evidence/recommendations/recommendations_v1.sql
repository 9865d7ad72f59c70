with final as (
    select
        strategy_id,
        source,
        segmentation,
        segment_id,
        segment_name,
        strategy,
        wording,
        claim_ids as rests_on,
        claim_count,
        supported_claim_count,
        contradicted_claim_count,
        status,
        reason,
        kpi_mart,
        kpi_metric,
        kpi_cell,
        unit,
        customer_count,
        baseline,
        baseline_low,
        baseline_high,
        is_small_cell,
        target_change,
        target,
        smallest_difference,
        customers_per_arm,
        is_test_possible,
        evidence,
        effect_campaign_id,
        expected_effect,
        expected_effect_low,
        expected_effect_high,
        no_structure_found
    from {{ ref('recommendations', version=2) }}
)

select * from final
