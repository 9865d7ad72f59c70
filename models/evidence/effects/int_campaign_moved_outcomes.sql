{{ config(schema='intermediate') }}

-- Whether what the campaign moves went into the segments, which were made after it; of a segmentation handed in without
-- its inputs nobody knows.
with sources as (
    select
        checks.campaign_id,
        checks.outcome,
        sources.segmentation,
        case
            when sources.raw_column is null then true
            when checks.outcome = 'conversion'
                then sources.raw_column like 'product_holdings.%' and coalesce(sources.cell, checks.product) = checks.product
            else
                sources.raw_column like 'transactions.%'
                and coalesce(sources.cell in ({{ quoted_items(var('purchase_transaction_types')) }}), true)
        end as is_moved
    from {{ ref('int_campaign_outcome_checks') }} as checks
    cross join {{ ref('int_segmentation_sources') }} as sources
),

final as (
    select
        campaign_id,
        outcome,
        segmentation,
        max(case when is_moved then 1 else 0 end) = 1 as is_outcome_in_segments
    from sources
    group by campaign_id, outcome, segmentation
)

select * from final
