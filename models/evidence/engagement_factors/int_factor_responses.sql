{{ config(schema='intermediate') }}

-- Whole customers are drawn, since their campaigns are not independent; the draw is the same in every build.
with customers as (
    select
        customer_id,
        count(*) as row_count,
        md5(customer_id || '{{ var('fit_random_seed') }}') as draw
    from {{ ref('int_campaign_responses') }}
    group by customer_id
),

drawn as (
    select
        customer_id,
        sum(row_count) over (
            order by draw, customer_id
            rows between unbounded preceding and current row
        ) as rows_so_far
    from customers
),

final as (
    select responses.*
    from {{ ref('int_campaign_responses') }} as responses
    inner join drawn on responses.customer_id = drawn.customer_id
    where drawn.rows_so_far <= {{ var('factor_sample_rows') }}
)

select * from final
