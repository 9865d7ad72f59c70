with estimates as (
    select
        *,
        segmentation || ': ' || campaign_id || ': ' || outcome
        || case when segment_id = 0 then ', all customers' else '' end as family
    from {{ ref('int_campaign_estimates') }}
),

adjusted as (
    {{ adjusted_p('p', 'family', 'estimates') }}
),

-- Whether what the campaign moves went into the segments, which were made after it.
moved as (
    select
        checks.campaign_id,
        sources.segmentation,
        max(case
            when sources.raw_column is null or sources.raw_column like 'product_holdings.%'
                then case when coalesce(sources.cell, checks.product) = checks.product then 1 end
        end) as is_conversion_in,
        max(case
            when sources.raw_column is null or sources.raw_column like 'transactions.%'
                then case when coalesce(sources.cell in ({{ quoted_items(var('purchase_transaction_types')) }}), true) then 1 end
        end) as is_purchase_in
    from {{ ref('int_campaign_checks') }} as checks
    cross join {{ ref('int_segmentation_sources') }} as sources
    group by checks.campaign_id, sources.segmentation
),

described as (
    select
        adjusted.*,
        checks.product,
        checks.starts_on,
        checks.window_ends_on,
        checks.planned_holdout_share,
        checks.overlapping_campaign_count,
        checks.sample_ratio_p,
        checks.largest_imbalance,
        checks.most_imbalanced_feature,
        cells.treated_count,
        cells.reached_count,
        cells.holdout_count,
        cells.both_arms_count,
        cells.joined_after_count,
        cells.platform_conversion_count,
        cells.campaign_cost,
        pooling.heterogeneity_statistic,
        pooling.heterogeneity_freedom,
        pooling.heterogeneity_p,
        pooling.effect_spread,
        pooling.effect_spread_low,
        pooling.effect_spread_high,
        pooling.pooled_effect,
        pooling.pooled_effect_low,
        pooling.pooled_effect_high,
        adjusted.segment_id > 0
        and coalesce(case when adjusted.outcome = 'conversion' then moved.is_conversion_in else moved.is_purchase_in end, 0)
        = 1 as is_outcome_in_segments,
        {{ smallest_effect('adjusted.outcome') }} as smallest_difference
    from adjusted
    inner join {{ ref('int_campaign_checks') }} as checks on adjusted.campaign_id = checks.campaign_id
    inner join {{ ref('int_campaign_cells') }} as cells
        on
            adjusted.segmentation = cells.segmentation
            and adjusted.segment_id = cells.segment_id
            and adjusted.campaign_id = cells.campaign_id
    left join {{ ref('campaign_effect_pooling') }} as pooling
        on
            adjusted.segmentation = pooling.segmentation
            and adjusted.segment_id = pooling.segment_id
            and adjusted.campaign_id = pooling.campaign_id
            and adjusted.outcome = pooling.outcome
    left join moved on adjusted.segmentation = moved.segmentation and adjusted.campaign_id = moved.campaign_id
),

costed as (
    select
        *,
        {{ incremental_cost_reason() }} as cost_reason
    from described
),

final as (
    select
        segmentation,
        segment_id = 0 as is_all_customers,
        nullif(segment_id, 0) as segment_id,
        campaign_id,
        product,
        outcome,
        effect_status,
        {{ effect_reason() }} as effect_reason,
        starts_on,
        window_ends_on,
        planned_holdout_share,
        sample_ratio_p,
        largest_imbalance,
        most_imbalanced_feature,
        overlapping_campaign_count,
        treated_count,
        reached_count,
        holdout_count,
        both_arms_count,
        joined_after_count,
        treated_mean,
        holdout_mean,
        itt_effect,
        itt_effect_low,
        itt_effect_high,
        unadjusted_effect,
        unadjusted_effect_low,
        unadjusted_effect_high,
        variance_reduction,
        relative_effect,
        case
            when relative_effect is not null then (1 + relative_effect) * exp(-{{ interval_z() }} * log_ratio_error) - 1
        end as relative_effect_low,
        case
            when relative_effect is not null then (1 + relative_effect) * exp({{ interval_z() }} * log_ratio_error) - 1
        end as relative_effect_high,
        p,
        adjusted_p,
        family,
        case outcome
            when 'conversion' then 'Newcombe interval and pooled score test, scaled by the variance left'
            else 'Welch on adjusted values, skewness removed'
        end as method,
        heterogeneity_statistic,
        heterogeneity_freedom,
        heterogeneity_p,
        effect_spread,
        effect_spread_low,
        effect_spread_high,
        pooled_effect,
        pooled_effect_low,
        pooled_effect_high,
        smallest_difference,
        {{ power_for('smallest_difference', 'itt_error') }} as power,
        {{ detectable_difference('itt_error') }} as detectable_effect,
        campaign_cost,
        {{ incremental_cost('itt_effect') }} as cost_per_incremental_conversion,
        {{ incremental_cost('itt_effect_high') }} as cost_per_incremental_conversion_low,
        {{ incremental_cost('itt_effect_low') }} as cost_per_incremental_conversion_high,
        cost_reason,
        platform_conversion_count,
        is_outcome_in_segments,
        is_small_cell
    from costed
)

select * from final
