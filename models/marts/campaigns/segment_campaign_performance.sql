with campaign_customers as (
    select
        campaign_id,
        customer_id,
        {{ campaign_customer_sums() }}
    from {{ ref('int_campaign_channel_customers') }}
    group by campaign_id, customer_id
),

customers as (
    select
        members.segmentation,
        members.segment_id,
        campaign_customers.*
    from campaign_customers
    inner join {{ ref('customer_segments') }} as members on campaign_customers.customer_id = members.customer_id
),

cells as (
    select
        segments.segmentation,
        segments.segment_id,
        segments.segment_name,
        campaigns.campaign_id
    from {{ ref('segments') }} as segments
    cross join {{ ref('stg_campaigns') }} as campaigns
    where segments.grain = 'customer'
),

summed as (
    select
        cells.segmentation,
        cells.segment_id,
        cells.segment_name,
        cells.campaign_id,
        {{ campaign_sums() }}
    from cells
    left join customers
        on
            cells.segmentation = customers.segmentation
            and cells.segment_id = customers.segment_id
            and cells.campaign_id = customers.campaign_id
    group by cells.segmentation, cells.segment_id, cells.segment_name, cells.campaign_id
),

moments as (
    select
        segmentation,
        segment_id,
        campaign_id,
        {{ campaign_moments() }}
    from summed
),

rated as (
    select
        summed.*,
        {{ campaign_rates() }}
    from summed
    inner join moments
        on
            summed.segmentation = moments.segmentation
            and summed.segment_id = moments.segment_id
            and summed.campaign_id = moments.campaign_id
),

final as (
    select
        *,
        {{ campaign_conclusions() }}
    from rated
)

select * from final
