{% set keys = ['segmentation', 'transaction_type', 'month_starts_on', 'metric'] %}

with ranked as (
    select
        *,
        row_number() over (
            partition by {{ keys | join(', ') }}, group_type
            order by estimate desc nulls last, segment_id asc
        ) as metric_rank,
        count(estimate) over (partition by {{ keys | join(', ') }}, group_type) as ranked_count
    from {{ ref('int_transaction_metric_groups') }}
),

-- The last is held against the one above it, every other against the one below.
segments as (
    select
        *,
        case when metric_rank < ranked_count then metric_rank + 1 else metric_rank - 1 end as neighbour_rank
    from ranked
    where group_type = 'segment' and estimate is not null
),

compared as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.transaction_type,
        segments.month_starts_on,
        segments.metric,
        segments.kind,
        segments.metric_rank,
        case others.group_type when 'rest' then 'rest' else 'neighbour' end as compared_with,
        segments.is_small_cell or others.is_small_cell as is_small_cell,
        {{ cell_difference('segments', 'others') }}
    from segments
    inner join ranked as others
        on
            segments.segmentation = others.segmentation
            and segments.transaction_type = others.transaction_type
            and (
                segments.month_starts_on = others.month_starts_on
                or segments.month_starts_on is null and others.month_starts_on is null
            )
            and segments.metric = others.metric
    where
        others.group_type = 'rest' and others.segment_id = segments.segment_id
        or others.group_type = 'segment' and others.metric_rank = segments.neighbour_rank
),

-- Differences of the whole window have their p in segment_differences, among all comparisons of their figure.
tested as (
    select
        *,
        case
            when compared_with = 'rest' and month_starts_on is not null and not is_small_cell
                then {{ unskewed_difference_p() }}
        end as p,
        segmentation || ': segment_month_transactions.' || metric as family
    from compared
),

adjusted as (
    {{ adjusted_p('p', 'family', 'tested') }}
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        month_starts_on,
        metric,
        compared_with,
        metric_rank,
        is_small_cell,
        difference,
        {{ skewed_low('difference', 'standard_error', 'third_cumulant', 'error_covariance') }} as difference_low,
        {{ skewed_high('difference', 'standard_error', 'third_cumulant', 'error_covariance') }} as difference_high,
        p,
        adjusted_p,
        family,
        {{ difference_method() }} as method
    from adjusted
)

select * from final
