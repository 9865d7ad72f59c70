with final as (
    select
        effects.segmentation,
        effects.segment_id = 0 as is_all_customers,
        nullif(effects.segment_id, 0) as segment_id,
        effects.campaign_id,
        checks.product,
        effects.outcome,
        effects.effect_status,
        {{ effect_reason() }} as effect_reason,
        checks.starts_on,
        checks.window_ends_on,
        checks.planned_holdout_share,
        checks.sample_ratio_p,
        checks.largest_imbalance,
        checks.most_imbalanced_feature,
        checks.window_overlap_campaign_count,
        effects.treated_count,
        effects.reached_count,
        effects.holdout_count,
        effects.contaminated_holdout_count,
        effects.both_arms_count,
        effects.joined_after_count,
        effects.treated_mean,
        effects.holdout_mean,
        {{ with_ends('effects', ['itt_effect', 'unadjusted_effect']) }},
        effects.variance_reduction,
        {{ with_ends('effects', ['relative_effect']) }},
        effects.p,
        effects.adjusted_p,
        effects.family,
        case effects.outcome
            when 'conversion' then 'Newcombe interval and pooled score test, scaled by the variance left'
            else 'Welch on adjusted values, skewness removed'
        end as method,
        effects.heterogeneity_statistic,
        effects.heterogeneity_freedom,
        effects.heterogeneity_p,
        {{ with_ends('effects', ['effect_spread', 'pooled_effect']) }},
        effects.smallest_difference,
        effects.power,
        effects.detectable_effect,
        effects.null_reasons,
        effects.campaign_cost,
        {{ with_ends('effects', ['cost_per_incremental_conversion']) }},
        effects.cost_reason,
        effects.platform_conversion_count,
        effects.is_outcome_in_segments,
        effects.is_small_cell
    from {{ ref('int_campaign_effect_rows') }} as effects
    inner join {{ ref('int_campaign_checks') }} as checks on effects.campaign_id = checks.campaign_id
)

select * from final
