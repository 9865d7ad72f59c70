with customer_months as (
    select
        customer_id,
        month_starts_on,
        sum(opened_count) as opened_count,
        sum(closed_count) as closed_count
    from {{ ref('int_customer_month_holdings') }}
    group by customer_id, month_starts_on
),

changes as (
    select
        customer_id,
        month_starts_on,
        case when opened_count > 0 then 1 else 0 end as is_buyer,
        {{ holder_change('customer_id') }} as holder_change
    from customer_months
),

counted as (
    select
        members.segmentation,
        members.segment_id,
        changes.month_starts_on,
        sum(changes.holder_change) as holder_change,
        sum(changes.is_buyer) as buyer_count
    from changes
    inner join {{ ref('customer_segments') }} as members on changes.customer_id = members.customer_id
    group by members.segmentation, members.segment_id, changes.month_starts_on
),

handed_in as (
    select count(*) as change_count from changes
),

cells as (
    select
        months.segmentation,
        months.segment_id,
        months.segment_name,
        months.month_starts_on,
        months.customer_count,
        {{ month_end_counts('counted', 'months') }}
    from {{ ref('int_segment_months') }} as months
    inner join handed_in on handed_in.change_count > 0
    left join counted
        on
            months.segmentation = counted.segmentation
            and months.segment_id = counted.segment_id
            and months.month_starts_on >= counted.month_starts_on
    group by
        months.segmentation,
        months.segment_id,
        months.segment_name,
        months.month_starts_on,
        months.customer_count
),

final as (
    select
        *,
        {{ ownership_rates() }}
    from cells
)

select * from final
