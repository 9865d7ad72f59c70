{{ config(schema='intermediate') }}

with sums as (
    select
        segmentation,
        segment_id,
        channel,
        arrangement,
        sum(n1) as clicked_count,
        sum(y1) as clicked_buyer_count,
        sum(n0) as other_count,
        sum(y0) as other_buyer_count,
        sum(y1 * weight1) as expected1,
        sum(y0 * weight0) as expected0,
        sum(n1 * weight1) as total_weight
    from {{ ref('int_channel_purchase_strata') }}
    where n1 > 0 and n0 > 0
    group by segmentation, segment_id, channel, arrangement
),

-- One customer's spells are not independent, so the error is summed by customer.
errors as (
    select
        customers.segmentation,
        customers.segment_id,
        customers.channel,
        customers.arrangement,
        count(*) as customer_count,
        cast(sum(customers.has_clicked) as bigint) as clicked_customer_count,
        cast(sum(customers.has_waited) as bigint) as other_customer_count,
        sum(power(customers.residual1 - customers.residual0, 2)) as difference_squares,
        sum(power(
            customers.residual1 / nullif(sums.expected1, 0) - customers.residual0 / nullif(sums.expected0, 0), 2
        )) as log_ratio_squares
    from {{ ref('int_channel_purchase_residuals') }} as customers
    inner join sums
        on
            customers.segmentation = sums.segmentation
            and customers.segment_id = sums.segment_id
            and customers.channel = sums.channel
            and customers.arrangement = sums.arrangement
    group by customers.segmentation, customers.segment_id, customers.channel, customers.arrangement
),

final as (
    select
        sums.*,
        errors.customer_count,
        errors.clicked_customer_count,
        errors.other_customer_count,
        (sums.expected1 - sums.expected0) / nullif(sums.total_weight, 0) as difference,
        sqrt(errors.difference_squares) / nullif(sums.total_weight, 0) as standard_error,
        case when sums.expected1 > 0 then sums.expected1 / nullif(sums.expected0, 0) end as rate_ratio,
        sqrt(errors.log_ratio_squares) as log_ratio_error
    from sums
    inner join errors
        on
            sums.segmentation = errors.segmentation
            and sums.segment_id = errors.segment_id
            and sums.channel = errors.channel
            and sums.arrangement = errors.arrangement
)

select * from final
