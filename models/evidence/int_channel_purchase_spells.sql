{{ config(schema='intermediate', materialized='view') }}

with scopes as (
    select false as is_all_customers
    union all
    select true as is_all_customers
),

arrangements as (
    select 'stratified' as arrangement
    union all
    select 'crude' as arrangement
),

final as (
    select
        members.segmentation,
        case when scopes.is_all_customers then 0 else members.segment_id end as segment_id,
        spells.channel,
        spells.customer_id,
        arrangements.arrangement,
        case when arrangements.arrangement = 'stratified' then members.segment_id else 0 end as segment_stratum,
        case when arrangements.arrangement = 'stratified' then spells.impression_stratum else 0 end as impression_stratum,
        cast(spells.has_clicked as double) as clicked,
        cast(1 - spells.has_clicked as double) as waited,
        cast(spells.has_bought as double) as bought
    from {{ ref('int_campaign_spells') }} as spells
    inner join {{ ref('customer_segments') }} as members on spells.customer_id = members.customer_id
    cross join scopes
    cross join arrangements
)

select * from final
