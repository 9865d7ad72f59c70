with correlated as (
    select
        segmentation,
        segment_id,
        count(*) as customer_count,
        {{ correlation('transaction_count_rank', 'total_amount_rank') }} as count_total_rank_correlation,
        {{ correlation('transaction_count_rank', 'mean_amount_rank') }} as count_mean_rank_correlation
    from {{ ref('int_count_amount_ranks') }}
    group by segmentation, segment_id
),

figures as (
    {% for metric in ['count_total_rank_correlation', 'count_mean_rank_correlation'] -%}
    select
        segmentation,
        segment_id,
        '{{ metric }}' as metric,
        customer_count,
        {{ metric }} as estimate,
        customer_count < {{ var('small_cell_customers') }} as is_small_cell
    from correlated
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

tested as (
    select
        *,
        case when not is_small_cell then {{ rank_correlation_p('estimate', 'customer_count') }} end as p,
        segmentation || ': segment_count_amount_association'
        || case when segment_id = 0 then ', all customers' else '' end as family
    from figures
),

adjusted as (
    {{ adjusted_p('p', 'family', 'tested') }}
),

final as (
    select
        segmentation,
        segment_id = 0 as is_all_customers,
        nullif(segment_id, 0) as segment_id,
        metric,
        customer_count,
        estimate,
        {{ rank_correlation_bound('estimate', 'customer_count', '-') }} as estimate_low,
        {{ rank_correlation_bound('estimate', 'customer_count', '+') }} as estimate_high,
        p,
        adjusted_p,
        family,
        'Spearman over customers with a transaction, Fisher transformation' as method,
        is_small_cell
    from adjusted
)

select * from final
