{{ config(schema='intermediate') }}

with holdouts as (
    select distinct campaign_id from {{ ref('int_campaign_assignments') }}
    where is_holdout
),

windows as (
    select
        campaigns.*,
        cast({{ dbt.dateadd('day', -var('effect_window_days'), 'campaigns.starts_on') }} as date) as before_starts_on,
        cast({{ dbt.dateadd('day', var('effect_window_days') - 1, 'campaigns.starts_on') }} as date) as window_ends_on
    from {{ ref('stg_campaigns') }} as campaigns
    inner join holdouts on campaigns.campaign_id = holdouts.campaign_id
),

overlapping as (
    select
        windows.campaign_id,
        count(*) as window_overlap_campaign_count
    from windows
    inner join {{ ref('stg_campaigns') }} as others
        on
            windows.product = others.product
            and windows.campaign_id <> others.campaign_id
            and windows.window_ends_on >= others.starts_on
            and windows.starts_on <= others.ends_on
    group by windows.campaign_id
),

final as (
    select
        windows.campaign_id,
        windows.product,
        windows.planned_holdout_share,
        windows.before_starts_on,
        windows.starts_on,
        windows.window_ends_on,
        windows.window_ends_on <= as_of.as_of_on as is_window_over,
        coalesce(overlapping.window_overlap_campaign_count, 0) as window_overlap_campaign_count
    from windows
    cross join {{ ref('as_of') }} as as_of
    left join overlapping on windows.campaign_id = overlapping.campaign_id
)

select * from final
