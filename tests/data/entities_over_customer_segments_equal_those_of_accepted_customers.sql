{#- For each pair of segmentations: what is shared, over all segments, is every entity whose customer was accepted, and with
    those without one it is every entity. -#}
{% set running = active_segmentations() if execute else segmentations() %}

with expected as (
    {% for segmentation in running if var('grains')[segmentation.grain].get('customer_key') -%}
    {% set grain = var('grains')[segmentation.grain] -%}
    select
        {{ quoted(segmentation.name) }} as segmentation,
        count(*) as entity_count,
        count(case when features.{{ grain.customer_key }} in (select customer_id from {{ ref('stg_customers') }}) then 1 end)
            as owned_count
    from {{ ref(grain.features) }} as features
    union all
    {% endfor -%}
    select
        cast(null as {{ text_type() }}) as segmentation,
        0 as entity_count,
        0 as owned_count
    where false
),

found as (
    select
        segmentation,
        customer_segmentation,
        sum(shared_entity_count) as shared_entity_count,
        sum(distinct_without_customer) as entity_without_customer_count
    from (
        select
            segmentation,
            customer_segmentation,
            segment_id,
            sum(shared_entity_count) as shared_entity_count,
            max(entity_without_customer_count) as distinct_without_customer
        from {{ ref('segment_overlaps') }}
        group by segmentation, customer_segmentation, segment_id
    ) as by_segment
    group by segmentation, customer_segmentation
)

select
    found.*,
    expected.entity_count,
    expected.owned_count
from found
left join expected on found.segmentation = expected.segmentation
where
    expected.segmentation is null
    or found.shared_entity_count <> expected.owned_count
    or found.shared_entity_count + found.entity_without_customer_count <> expected.entity_count
