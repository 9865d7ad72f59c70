with differences as (
    select * from {{ ref('int_transaction_metric_differences') }}
),

final as (
    select
        segmentation,
        segment_id,
        transaction_type,
        month_starts_on,
        {% for metric in var('metrics') if metric.mart == 'segment_transactions' -%}
        {% for figure in ['difference', 'difference_low', 'difference_high', 'p', 'adjusted_p', 'family', 'method'] -%}
        max(case when metric = '{{ metric.metric }}' and compared_with = 'rest' then {{ figure }} end)
            as {{ metric.metric }}_{{ figure }},
        {% endfor -%}
        max(case when metric = '{{ metric.metric }}' then metric_rank end) as {{ metric.metric }}_rank,
        max(
            case
                when metric = '{{ metric.metric }}' and compared_with = 'neighbour' and not is_small_cell
                    and (difference_low > 0 or difference_high < 0) then 1
                else 0
            end
        ) = 1 as is_{{ metric.metric }}_rank_certain{{ ',' if not loop.last }}
        {% endfor %}
    from differences
    group by segmentation, segment_id, transaction_type, month_starts_on
)

select * from final
