{{ config(schema='intermediate') }}

-- Everything a claim can be about, with its interval: a segment's own figure (segment_id), or one over all (null).
with metrics as (
    select
        segmentation,
        segment_id,
        mart,
        metric,
        cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        cast(null as double) as adjusted_p,
        smallest_difference,
        is_small_cell
    from {{ ref('int_metric_groups') }}
    where group_type = 'segment'
),

correlations as (
    {% for metric in ['count_total_rank_correlation', 'count_mean_rank_correlation'] -%}
    select
        segmentation,
        segment_id,
        'segment_transactions' as mart,
        '{{ metric }}' as metric,
        transaction_type as cell,
        cast(null as {{ text_type() }}) as other_cell,
        active_customer_count as customer_count,
        {{ metric }} as estimate,
        {{ rank_correlation_bound(metric, 'active_customer_count', '-') }} as estimate_low,
        {{ rank_correlation_bound(metric, 'active_customer_count', '+') }} as estimate_high,
        cast(null as double) as adjusted_p,
        cast({{ var('smallest_correlation') }} as double) as smallest_difference,
        active_customer_count < {{ var('small_cell_customers') }} as is_small_cell
    from {{ ref('segment_transactions') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- What lies with the customer against what lies with the channel; the bounds are added up, so they are wide.
traits_and_channels as (
    select
        segmentation,
        sum(case when component in ('segment', 'customer_within_segment') then share end)
        - sum(case when component = 'channel' then share end) as estimate,
        sum(case when component in ('segment', 'customer_within_segment') then share_low end)
        - sum(case when component = 'channel' then share_high end) as estimate_low,
        sum(case when component in ('segment', 'customer_within_segment') then share_high end)
        - sum(case when component = 'channel' then share_low end) as estimate_high,
        max(customer_count) as customer_count
    from {{ ref('variation_shares') }}
    group by segmentation
),

variation as (
    select
        segmentation,
        cast(null as bigint) as segment_id,
        'variation_shares' as mart,
        'share' as metric,
        cast(null as {{ text_type() }}) as cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        {{ two_sided_p('estimate * 2 * ' ~ (interval_z() | trim) ~ ' / nullif(estimate_high - estimate_low, 0)') }} as adjusted_p,
        cast({{ var('smallest_variation_share') }} as double) as smallest_difference,
        customer_count < {{ var('small_cell_customers') }} as is_small_cell
    from traits_and_channels
),

final as (
    select * from metrics
    union all
    select * from correlations
    union all
    select * from variation
    union all
    select * from {{ ref('int_association_figures') }}
)

select * from final
