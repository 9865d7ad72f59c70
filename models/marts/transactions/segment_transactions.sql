with customers as (
    select * from {{ ref('int_segment_customer_amounts') }}
),

transactions as (
    select * from {{ ref('int_segment_transaction_amounts') }}
),

comparisons as (
    select * from {{ ref('int_transaction_comparisons') }}
),

summed as (
    select
        customers.*,
        segments.segment_name,
        transactions.transaction_amounts_squared,
        transactions.amount_per_transaction_median,
        transactions.amount_per_transaction_p25,
        transactions.amount_per_transaction_p75,
        {{ comparison_columns('comparisons', ['difference', 'difference_low', 'difference_high', 'rank']) }}
    from customers
    inner join {{ ref('segments') }} as segments
        on customers.segmentation = segments.segmentation and customers.segment_id = segments.segment_id
    left join transactions
        on
            customers.segmentation = transactions.segmentation
            and customers.segment_id = transactions.segment_id
            and customers.transaction_type = transactions.transaction_type
    left join comparisons
        on
            customers.segmentation = comparisons.segmentation
            and customers.segment_id = comparisons.segment_id
            and customers.transaction_type = comparisons.transaction_type
            and comparisons.month_starts_on is null
),

moments as (
    select
        segmentation,
        segment_id,
        transaction_type,
        {{ transaction_moments() }}
    from summed
),

final as (
    select
        summed.*,
        {{ transaction_figures() }}
    from summed
    inner join moments
        on
            summed.segmentation = moments.segmentation
            and summed.segment_id = moments.segment_id
            and summed.transaction_type = moments.transaction_type
)

select * from final
