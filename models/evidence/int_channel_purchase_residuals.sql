{{ config(schema='intermediate', materialized='view') }}

with strata as (
    select * from {{ ref('int_channel_purchase_strata') }}
    where n1 > 0 and n0 > 0
),

-- A segment's strata serve all customers too; spells that nothing is compared with have no residual.
customers as (
    select
        spells.segmentation,
        spells.segment_id,
        spells.channel,
        spells.customer_id,
        sum(spells.clicked) as clicked_count,
        sum(spells.clicked * spells.bought) as clicked_buyer_count,
        sum(spells.waited) as other_count,
        sum(spells.waited * spells.bought) as other_buyer_count,
        max(case when strata.n1 > 0 then spells.clicked end) as has_clicked,
        max(case when strata.n1 > 0 then spells.waited end) as has_waited,
        sum(spells.clicked * (spells.bought - strata.rate1) * strata.weight1) as residual1,
        sum(spells.waited * (spells.bought - strata.rate0) * strata.weight0) as residual0
    from {{ ref('int_channel_purchase_spells') }} as spells
    left join strata
        on
            strata.arrangement = 'stratified'
            and spells.segmentation = strata.segmentation
            and spells.segment_id = strata.segment_id
            and spells.channel = strata.channel
            and spells.impression_stratum = strata.impression_stratum
    group by spells.segmentation, spells.segment_id, spells.channel, spells.customer_id
),

-- The one stratum of the crude arrangement.
arrangements as (
    select
        segmentation,
        segment_id,
        channel,
        arrangement,
        max(case when arrangement = 'crude' then rate1 end) as rate1,
        max(case when arrangement = 'crude' then rate0 end) as rate0,
        max(weight1) as weight1,
        max(weight0) as weight0
    from strata
    group by segmentation, segment_id, channel, arrangement
),

final as (
    select
        customers.segmentation,
        arrangements.segment_id,
        customers.channel,
        arrangements.arrangement,
        customers.customer_id,
        case when arrangements.arrangement = 'stratified' then customers.has_clicked else least(customers.clicked_count, 1) end
            as has_clicked,
        case when arrangements.arrangement = 'stratified' then customers.has_waited else least(customers.other_count, 1) end
            as has_waited,
        case
            when arrangements.arrangement = 'stratified' then customers.residual1
            else (customers.clicked_buyer_count - customers.clicked_count * arrangements.rate1) * arrangements.weight1
        end as residual1,
        case
            when arrangements.arrangement = 'stratified' then customers.residual0
            else (customers.other_buyer_count - customers.other_count * arrangements.rate0) * arrangements.weight0
        end as residual0
    from customers
    inner join arrangements
        on
            customers.segmentation = arrangements.segmentation
            and customers.channel = arrangements.channel
            and arrangements.segment_id in (0, customers.segment_id)
    where arrangements.arrangement = 'crude' or customers.has_clicked is not null
)

select * from final
