{{ config(meta={'rows_of_each': 'customer_id'}) }}

select
    customer_id,
    cast(sum(impression_count) as bigint) as impression_count,
    cast(sum(openable_impression_count) as bigint) as openable_impression_count,
    cast(sum(open_count) as bigint) as open_count,
    cast(sum(click_count) as bigint) as click_count,
    cast(sum(conversion_count) as bigint) as conversion_count
from {{ ref('int_customer_channel_engagement') }}
group by customer_id
