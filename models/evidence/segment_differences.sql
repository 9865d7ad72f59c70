with segments as (
    select * from {{ ref('int_metric_groups') }}
    where group_type = 'segment'
),

others as (
    select * from {{ ref('int_metric_groups') }}
    where group_type in ('segment', 'rest')
),

compared as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.mart,
        segments.metric,
        segments.cell,
        segments.kind,
        others.group_type as compared_with,
        case when others.group_type = 'segment' then others.segment_id end as other_segment_id,
        segments.smallest_difference,
        segments.customer_count,
        others.customer_count as other_customer_count,
        segments.is_small_cell or others.is_small_cell as is_small_cell,
        segments.estimate,
        others.estimate as other_estimate,
        {{ cell_difference('segments', 'others') }},
        {{ newcombe_low(
            'segments.estimate', 'segments.estimate_low', 'segments.estimate_high',
            'others.estimate', 'others.estimate_low', 'others.estimate_high') }} as newcombe_low,
        {{ newcombe_high(
            'segments.estimate', 'segments.estimate_low', 'segments.estimate_high',
            'others.estimate', 'others.estimate_low', 'others.estimate_high') }} as newcombe_high,
        case
            when segments.kind = 'proportion'
                then {{ two_proportions_p('segments.sum_y', 'segments.customer_count', 'others.sum_y', 'others.customer_count') }}
        end as proportions_p
    from segments
    inner join others
        on
            segments.segmentation = others.segmentation
            and segments.mart = others.mart
            and segments.metric = others.metric
            and coalesce(segments.cell, '') = coalesce(others.cell, '')
            and (segments.segment_id = others.segment_id) = (others.group_type = 'rest')
),

tested as (
    select
        *,
        case
            when kind = 'proportion' then newcombe_low
            else {{ skewed_low('difference', 'standard_error', 'third_cumulant', 'error_covariance') }}
        end as difference_low,
        case
            when kind = 'proportion' then newcombe_high
            else {{ skewed_high('difference', 'standard_error', 'third_cumulant', 'error_covariance') }}
        end as difference_high,
        case
            when is_small_cell then null
            when kind = 'proportion' then proportions_p
            else {{ unskewed_difference_p() }}
        end as p,
        {{ difference_method() }} as method,
        segmentation || ': ' || mart || '.' || metric as family
    from compared
),

adjusted as (
    {{ adjusted_p('p', 'family', 'tested') }}
),

final as (
    select
        segmentation,
        segment_id,
        mart,
        metric,
        cell,
        compared_with,
        other_segment_id,
        cast(customer_count as bigint) as customer_count,
        cast(other_customer_count as bigint) as other_customer_count,
        estimate,
        other_estimate,
        difference,
        difference_low,
        difference_high,
        p,
        adjusted_p,
        family,
        method,
        smallest_difference,
        is_small_cell
    from adjusted
)

select * from final
