{{ config(schema='intermediate') }}

-- Both errors are 0 where nothing varies, and then nothing is reduced.
with reduced as (
    select
        *,
        case
            when unadjusted_error = 0 then 1e0
            else power(adjusted_error, 2) / nullif(power(unadjusted_error, 2), 0)
        end as variance_left
    from {{ ref('int_campaign_comparisons') }}
),

final as (
    select
        segmentation,
        segment_id,
        campaign_id,
        outcome,
        effect_status,
        treated_mean,
        holdout_mean,
        coalesce(is_small_cell, true) as is_small_cell,
        1 - variance_left as variance_reduction,
        unadjusted_effect,
        case
            when outcome = 'conversion' then newcombe_low
            else {{ skewed_low('unadjusted_effect', 'unadjusted_error', 'third_cumulant') }}
        end as unadjusted_effect_low,
        case
            when outcome = 'conversion' then newcombe_high
            else {{ skewed_high('unadjusted_effect', 'unadjusted_error', 'third_cumulant') }}
        end as unadjusted_effect_high,
        itt_effect,
        case when outcome = 'conversion' then pooled_error * sqrt(variance_left) else adjusted_error end as itt_error,
        -- Newcombe's interval reaches as far as variance is left.
        case
            when outcome = 'conversion' then itt_effect - (unadjusted_effect - newcombe_low) * sqrt(variance_left)
            else {{ skewed_low('itt_effect', 'adjusted_error', 'adjusted_cumulant') }}
        end as itt_effect_low,
        case
            when outcome = 'conversion' then itt_effect + (newcombe_high - unadjusted_effect) * sqrt(variance_left)
            else {{ skewed_high('itt_effect', 'adjusted_error', 'adjusted_cumulant') }}
        end as itt_effect_high,
        case
            when coalesce(is_small_cell, true) then null
            when outcome = 'conversion' then {{ difference_p('itt_effect', '(pooled_error * sqrt(variance_left))') }}
            else {{ two_sided_p(skewness_removed('itt_effect', 'adjusted_error', 'adjusted_cumulant')) }}
        end as p,
        mean_ratio - 1 as relative_effect,
        mean_ratio * exp(-{{ interval_z() }} * log_mean_ratio_error) - 1 as relative_effect_low,
        mean_ratio * exp({{ interval_z() }} * log_mean_ratio_error) - 1 as relative_effect_high
    from reduced
)

select * from final
