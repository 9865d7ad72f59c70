{#- Where a customer exists; one that is empty would pass every other test. -#}
with running as (
    {% for segmentation in (active_segmentations() if execute else segmentations()) %}
    select '{{ segmentation.name }}' as segmentation
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

customers as (
    select count(*) as customer_count from {{ ref('stg_customers') }}
),

segments as (
    select distinct segmentation from {{ ref('segments') }}
)

select
    running.segmentation,
    customers.customer_count
from running
inner join customers on customers.customer_count > 0
left join segments on running.segmentation = segments.segmentation
where segments.segmentation is null
