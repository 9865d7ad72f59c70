with customers as (
    {% for figure in ['probability_active'] + segment_value_figures() -%}
    select
        customer_id,
        '{{ figure }}' as value_figure,
        {{ figure }} as amount,
        {{ shared_error_of(figure) | indent(8) }} as own_error
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
        customers.own_error,
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
        -- Null where a customer's error is unknown, as avg would pass over it.
        case when count(own_error) = count(*) then avg(own_error) end as shared_error,
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

moments as (
    select
        *,
        {{ mean_moments('spread', 'customer_count', 'total', 'amounts_squared', 'amounts_cubed') }}
    from summed
),

final as (
    select
        segmentation,
        segment_id,
        value_figure,
        customer_count,
        total,
        amounts_squared,
        amounts_cubed,
        shared_error,
        per_customer_median,
        per_customer_median_low,
        per_customer_median_high,
        per_customer_trimmed,
        top_tenth_share,
        top_customer_share,
        spread_estimate as per_customer,
        {{ skewed_low('spread_estimate', 'sqrt(power(spread_error, 2) + power(shared_error, 2))', 'spread_cumulant', minimum=0) }}
            as per_customer_low,
        {{ skewed_high('spread_estimate', 'sqrt(power(spread_error, 2) + power(shared_error, 2))', 'spread_cumulant') }}
            as per_customer_high
    from moments
)

select * from final
