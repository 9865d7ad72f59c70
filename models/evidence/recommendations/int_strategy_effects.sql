{{ config(schema='intermediate') }}

-- Segments made from what the campaign moves are no longer those that the lot was drawn in.
with effects as (
    select * from {{ ref('campaign_effects') }}
    where
        outcome = 'conversion'
        and effect_status = 'measured'
        and not is_small_cell
        and not is_outcome_in_segments
),

-- The share who bought a product is what a campaign for it was measured by; the latest counts.
measured as (
    select
        strategies.strategy_id,
        effects.campaign_id,
        coalesce(effects.pooled_effect, effects.itt_effect) as expected_effect,
        coalesce(effects.pooled_effect_low, effects.itt_effect_low) as expected_effect_low,
        coalesce(effects.pooled_effect_high, effects.itt_effect_high) as expected_effect_high,
        row_number() over (
            partition by strategies.strategy_id order by effects.starts_on desc, effects.campaign_id asc
        ) as place
    from {{ ref('int_strategies') }} as strategies
    inner join effects
        on
            strategies.segmentation = effects.segmentation
            and coalesce(strategies.segment_id, 0) = coalesce(effects.segment_id, 0)
            and strategies.kpi_cell = effects.product
    where strategies.kpi_metric = 'purchase_rate'
),

final as (
    select
        strategy_id,
        campaign_id,
        expected_effect,
        expected_effect_low,
        expected_effect_high
    from measured
    where place = 1
)

select * from final
