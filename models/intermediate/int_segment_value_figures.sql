with customers as (
    {% for figure in segment_value_figures() -%}
    select
        customer_id,
        '{{ figure }}' as value_figure,
        {{ figure }} as amount
    from {{ ref('customer_value') }}
    where {{ figure }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

placed as (
    select
        members.segmentation,
        members.segment_id,
        customers.value_figure,
        customers.amount,
        row_number() over (
            partition by members.segmentation, members.segment_id, customers.value_figure
            order by customers.amount, customers.customer_id
        ) as amount_position,
        count(*) over (partition by members.segmentation, members.segment_id, customers.value_figure) as group_count
    from customers
    inner join {{ ref('customer_segments') }} as members on customers.customer_id = members.customer_id
),

summed as (
    select
        segmentation,
        segment_id,
        value_figure,
        count(*) as customer_count,
        sum(amount) as total,
        sum({{ product_of('amount', 'amount') }}) as amounts_squared,
        sum({{ product_of(product_of('amount', 'amount'), 'amount') }}) as amounts_cubed,
        {{ quantile('amount', 0.5) }} as per_customer_median,
        {{ median_end('amount', '-') }} as per_customer_median_low,
        {{ median_end('amount', '+') }} as per_customer_median_high,
        {{ trimmed_mean('amount', 'amount_position', 'group_count') }} as per_customer_trimmed,
        {{ share_of_top('amount', 'amount_position', 'group_count', 'ceil(0.1 * group_count)') }} as top_tenth_share,
        {{ share_of_top('amount', 'amount_position', 'group_count', '1') }} as top_customer_share
    from placed
    group by segmentation, segment_id, value_figure
),

final as (
    select
        *,
        {{ mean_with_interval('per_customer', 'customer_count', 'total', 'amounts_squared', 'amounts_cubed') }}
    from summed
)

select * from final
