{{ config(schema='intermediate', materialized='view') }}

with spells as (
    select
        members.segmentation,
        members.segment_id,
        spells.channel,
        spells.customer_id,
        spells.impression_stratum,
        cast(spells.has_clicked as double) as clicked,
        cast(1 - spells.has_clicked as double) as waited,
        cast(spells.has_bought as double) as bought
    from {{ ref('int_campaign_spells') }} as spells
    inner join {{ ref('customer_segments') }} as members on spells.customer_id = members.customer_id
),

arrangements as (
    select 'stratified' as arrangement
    union all
    select 'crude' as arrangement
),

final as (
    select
        spells.segmentation,
        spells.segment_id,
        spells.channel,
        spells.customer_id,
        arrangements.arrangement,
        case when arrangements.arrangement = 'stratified' then spells.impression_stratum else 0 end as impression_stratum,
        spells.clicked,
        spells.waited,
        spells.bought
    from spells
    cross join arrangements
)

select * from final
