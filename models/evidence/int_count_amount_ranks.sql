{{ config(schema='intermediate', materialized='view') }}

with customers as (
    select
        customer_id,
        sum(transaction_count) as transaction_count,
        cast(sum(total_amount) as double) as total_amount
    from {{ ref('int_customer_transaction_types') }}
    group by customer_id
),

-- Segment 0 stands for all customers, ranked among themselves.
in_segments as (
    select
        members.segmentation,
        scopes.segment_id,
        customers.transaction_count,
        customers.total_amount,
        {{ ratio('customers.total_amount', 'customers.transaction_count') }} as mean_amount
    from customers
    inner join {{ ref('customer_segments') }} as members on customers.customer_id = members.customer_id
    inner join (
        select distinct segment_id from {{ ref('segments') }}
        union all
        select cast(0 as bigint) as segment_id
    ) as scopes on scopes.segment_id in (0, members.segment_id)
),

final as (
    select
        segmentation,
        segment_id,
        {% for column in ['transaction_count', 'total_amount', 'mean_amount'] -%}
        {{ average_rank(column, 'segmentation, segment_id') }} as {{ column }}_rank{{ ',' if not loop.last }}
        {% endfor %}
    from in_segments
)

select * from final
