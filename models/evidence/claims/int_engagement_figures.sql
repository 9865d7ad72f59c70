{{ config(schema='intermediate') }}

-- What lies with the customer against what lies with the channel is the same in every row of a segmentation.
with variation as (
    select distinct
        segmentation,
        'variation_shares' as mart,
        'share' as metric,
        customer_count,
        customers_less_channels as estimate,
        customers_less_channels_low as estimate_low,
        customers_less_channels_high as estimate_high,
        adjusted_p,
        customer_count < {{ var('small_cell_customers') }} as is_small_cell
    from {{ ref('variation_shares') }}
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
