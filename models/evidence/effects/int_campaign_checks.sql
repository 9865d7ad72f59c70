{{ config(schema='intermediate') }}

with counted as (
    select
        campaign_id,
        count(case when arm = 'treated' then 1 end) as treated_count,
        count(case when arm = 'holdout' then 1 end) as holdout_count
    from {{ ref('int_campaign_arms') }}
    group by campaign_id
),

balance as (
    select
        campaign_id,
        feature,
        imbalance,
        row_number() over (partition by campaign_id order by abs(imbalance) desc, feature) as place
    from {{ ref('campaign_balance') }}
    where imbalance is not null
),

tested as (
    select
        windows.*,
        {{ sample_ratio_p('counted.holdout_count', '(counted.treated_count + counted.holdout_count)', 'windows.planned_holdout_share') }} as sample_ratio_p,
        coalesce(least(counted.treated_count, counted.holdout_count), 0) >= 2 as has_two_arms
    from {{ ref('int_campaign_windows') }} as windows
    left join counted on windows.campaign_id = counted.campaign_id
),

final as (
    select
        tested.*,
        {{ campaign_status() }} as campaign_status,
        balance.imbalance as largest_imbalance,
        balance.feature as most_imbalanced_feature
    from tested
    left join balance on tested.campaign_id = balance.campaign_id and balance.place = 1
)

select * from final
