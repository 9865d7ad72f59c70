{{ config(schema='intermediate') }}

-- What lies with the customer against what lies with the channel; the bounds are added up, so they are wide.
with traits_and_channels as (
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
        'variation_shares' as mart,
        'share' as metric,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        {{ two_sided_p('estimate * 2 * ' ~ (interval_z() | trim) ~ ' / nullif(estimate_high - estimate_low, 0)') }} as adjusted_p,
        customer_count < {{ var('small_cell_customers') }} as is_small_cell
    from traits_and_channels
),

orders as (
    select
        segmentation,
        'channel_order_agreement' as mart,
        'largest_reversal' as metric,
        customer_count,
        largest_reversal as estimate,
        largest_reversal_low as estimate_low,
        largest_reversal_high as estimate_high,
        cast(null as double) as adjusted_p,
        is_small_cell
    from {{ ref('channel_order_agreement') }}
),

final as (
    select
        segmentation,
        cast(null as bigint) as segment_id,
        mart,
        metric,
        cast(null as {{ text_type() }}) as cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        adjusted_p,
        is_small_cell,
        cast(null as {{ text_type() }}) as obstacle,
        cast(null as double) as least_possible,
        cast(null as bigint) as customers_needed
    from (
        select * from variation
        union all
        select * from orders
    ) as figures
)

select * from final
