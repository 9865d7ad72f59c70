with stratified as (
    select * from {{ ref('int_channel_purchase_estimates') }}
    where arrangement = 'stratified'
),

crude as (
    select * from {{ ref('int_channel_purchase_estimates') }}
    where arrangement = 'crude'
),

tested as (
    select
        stratified.*,
        crude.difference as crude_difference,
        {{ interval_low('crude.difference', 'crude.standard_error') }} as crude_difference_low,
        {{ interval_high('crude.difference', 'crude.standard_error') }} as crude_difference_high,
        {{ is_small_cell(
            'least(stratified.clicked_customer_count, stratified.other_customer_count)',
            'stratified.clicked_buyer_count + stratified.other_buyer_count') }} as is_small_cell,
        stratified.segmentation || ': segment_channel_purchase_association'
        || case when stratified.segment_id = 0 then ', all customers' else '' end as family
    from stratified
    inner join crude
        on
            stratified.segmentation = crude.segmentation
            and stratified.segment_id = crude.segment_id
            and stratified.channel = crude.channel
),

with_p as (
    select
        *,
        case when not is_small_cell then {{ difference_p('difference', 'standard_error') }} end as p
    from tested
),

adjusted as (
    {{ adjusted_p('p', 'family', 'with_p') }}
),

final as (
    select
        segmentation,
        segment_id = 0 as is_all_customers,
        nullif(segment_id, 0) as segment_id,
        channel,
        customer_count,
        clicked_customer_count,
        other_customer_count,
        cast(clicked_count as bigint) as clicked_count,
        cast(clicked_buyer_count as bigint) as clicked_buyer_count,
        cast(other_count as bigint) as other_count,
        cast(other_buyer_count as bigint) as other_buyer_count,
        difference as purchase_difference,
        {{ interval_low('difference', 'standard_error') }} as purchase_difference_low,
        {{ interval_high('difference', 'standard_error') }} as purchase_difference_high,
        rate_ratio as purchase_ratio,
        rate_ratio * exp(-{{ interval_z() }} * log_ratio_error) as purchase_ratio_low,
        rate_ratio * exp({{ interval_z() }} * log_ratio_error) as purchase_ratio_high,
        crude_difference,
        crude_difference_low,
        crude_difference_high,
        p,
        adjusted_p,
        family,
        case
            when segment_id = 0 then 'Mantel-Haenszel over segments and impressions seen by the landmark, error by customer'
            else 'Mantel-Haenszel over impressions seen by the landmark, error by customer'
        end as method,
        is_small_cell
    from adjusted
)

select * from final
