with quality as (
    select * from {{ ref('fit_quality') }}
),

fits as (
    select distinct fit_id
    from {{ ref('segment_fits') }}
),

final as (
    select
        quality.segmentation,
        quality.fit_id,
        quality.k,
        quality.is_chosen,
        quality.reason,
        quality.within_squares,
        quality.gap,
        quality.gap_standard_error,
        quality.reference_set_count,
        quality.silhouette,
        quality.davies_bouldin,
        quality.stability,
        quality.least_stability,
        quality.bootstrap_count,
        quality.smallest_share,
        quality.sampled_count,
        quality.minimum_stability,
        quality.minimum_share
    from quality
    inner join fits on quality.fit_id = fits.fit_id
)

select * from final
