{{ config(schema='intermediate') }}

-- Segments made from what the campaign moves are no longer those that the lot was drawn in.
with effects as (
    select
        *,
        coalesce(pooled_effect, itt_effect) as effect,
        coalesce(pooled_effect_low, itt_effect_low) as effect_low,
        coalesce(pooled_effect_high, itt_effect_high) as effect_high
    from {{ ref('campaign_effects') }}
    where
        effect_status = 'measured'
        and not is_small_cell
        and not is_outcome_in_segments
),

margins as (
    select
        transaction_type,
        margin_rate
    from {{ ref('int_purchase_margins') }}
    where margin_rate > 0
),

-- What the figure to watch is measured by. Revenue is amount times margin, so of a single type it is the amount again.
watched as (
    select
        strategies.strategy_id,
        strategies.segmentation,
        coalesce(strategies.segment_id, 0) as segment_id,
        strategies.kpi_cell,
        {{ strategy_outcome('strategies', 'margins.margin_rate') }} as outcome,
        coalesce(margins.margin_rate, 1e0) as margin_rate
    from {{ ref('int_strategies') }} as strategies
    left join margins
        on strategies.kpi_mart = 'segment_transactions' and strategies.kpi_cell = margins.transaction_type
),

-- The latest campaign counts.
measured as (
    select
        watched.strategy_id,
        effects.campaign_id,
        effects.effect / watched.margin_rate as expected_effect,
        effects.effect_low / watched.margin_rate as expected_effect_low,
        effects.effect_high / watched.margin_rate as expected_effect_high,
        row_number() over (
            partition by watched.strategy_id order by effects.starts_on desc, effects.campaign_id asc
        ) as place
    from watched
    inner join effects
        on
            watched.segmentation = effects.segmentation
            and watched.segment_id = coalesce(effects.segment_id, 0)
            and watched.outcome = effects.outcome
            and (watched.outcome = 'revenue' or watched.kpi_cell = effects.product)
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
