with periods as (
    select * from {{ ref('drift_periods') }}
),

final as (
    {{ of_other_dates('segment_drift', ref('drift_periods')) }}
    union all
    select
        segmentation,
        cast(as_of_on as date) as as_of_on,
        drift_in,
        fit_id,
        cast(fitted_as_of_on as date) as fitted_as_of_on,
        training_entity_count,
        entity_count,
        bin_count,
        psi,
        psi_by_chance,
        smallest_psi,
        p,
        adjusted_p,
        family,
        is_alarm,
        max(case when is_alarm then 1 else 0 end) over (partition by segmentation, as_of_on) = 1 as is_period_alarm,
        ks_distance,
        ks_p,
        training_missing_share,
        missing_share,
        beyond_training_share,
        null_reasons
    from periods
)

select * from final
