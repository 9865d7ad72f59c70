{{ config(schema='intermediate') }}

with members as (
    select
        members.segmentation,
        members.segment_id,
        members.customer_id
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('stg_customers') }} as customers on members.customer_id = customers.customer_id
    cross join {{ ref('as_of') }} as as_of
    where coalesce(customers.joined_on <= as_of.window_starts_after, true)
),

windows as (
    select
        members.segmentation,
        members.segment_id,
        members.customer_id,
        windows.product,
        windows.is_owned_before,
        windows.is_bought_after
    from members
    inner join {{ ref('int_customer_product_windows') }} as windows on members.customer_id = windows.customer_id
),

sizes as (
    select
        segmentation,
        segment_id,
        count(*) as customer_count
    from members
    group by segmentation, segment_id
),

products as (
    select
        segmentation,
        segment_id,
        product,
        sum(is_owned_before) as owner_count,
        sum(is_bought_after) as buyer_count
    from windows
    group by segmentation, segment_id, product
),

together as (
    select
        owned.segmentation,
        owned.segment_id,
        owned.product as owned_product,
        bought.product,
        count(*) as owning_buyer_count
    from windows as owned
    inner join windows as bought
        on
            owned.segmentation = bought.segmentation
            and owned.customer_id = bought.customer_id
            and owned.product <> bought.product
    where owned.is_owned_before = 1 and bought.is_bought_after = 1
    group by owned.segmentation, owned.segment_id, owned.product, bought.product
),

final as (
    select
        owned.segmentation,
        owned.segment_id,
        owned.product as owned_product,
        bought.product,
        cast(owned.owner_count as double) as owner_count,
        cast(sizes.customer_count - owned.owner_count as double) as other_count,
        cast(coalesce(together.owning_buyer_count, 0) as double) as owning_buyer_count,
        cast(bought.buyer_count - coalesce(together.owning_buyer_count, 0) as double) as other_buyer_count
    from products as owned
    inner join products as bought
        on
            owned.segmentation = bought.segmentation
            and owned.segment_id = bought.segment_id
            and owned.product <> bought.product
    inner join sizes on owned.segmentation = sizes.segmentation and owned.segment_id = sizes.segment_id
    left join together
        on
            owned.segmentation = together.segmentation
            and owned.segment_id = together.segment_id
            and owned.product = together.owned_product
            and bought.product = together.product
)

select * from final
