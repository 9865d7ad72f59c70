{{ config(schema='intermediate') }}

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

counted as (
    select
        segmentation,
        segment_id,
        channel,
        impression_stratum,
        sum(clicked) as n1,
        sum(clicked * bought) as y1,
        sum(waited) as n0,
        sum(waited * bought) as y0
    from {{ ref('int_channel_purchase_spells') }}
    group by segmentation, segment_id, channel, impression_stratum
),

arranged as (
    select
        counted.segmentation,
        case when scopes.is_all_customers then 0 else counted.segment_id end as segment_id,
        counted.channel,
        arrangements.arrangement,
        case when arrangements.arrangement = 'stratified' then counted.segment_id else 0 end as segment_stratum,
        case when arrangements.arrangement = 'stratified' then counted.impression_stratum else 0 end as impression_stratum,
        counted.n1,
        counted.y1,
        counted.n0,
        counted.y0
    from counted
    cross join scopes
    cross join arrangements
),

strata as (
    select
        segmentation,
        segment_id,
        channel,
        arrangement,
        segment_stratum,
        impression_stratum,
        sum(n1) as n1,
        sum(y1) as y1,
        sum(n0) as n0,
        sum(y0) as y0
    from arranged
    group by segmentation, segment_id, channel, arrangement, segment_stratum, impression_stratum
),

final as (
    select
        *,
        {{ ratio('y1', 'n1') }} as rate1,
        {{ ratio('y0', 'n0') }} as rate0,
        {{ ratio('n0', '(n1 + n0)') }} as weight1,
        {{ ratio('n1', '(n1 + n0)') }} as weight0
    from strata
)

select * from final
