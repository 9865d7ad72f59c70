{{ config(schema='intermediate') }}

with spells as (
    select * from {{ ref('int_channel_purchase_spells') }}
),

counted as (
    select
        segmentation,
        segment_id,
        channel,
        arrangement,
        segment_stratum,
        impression_stratum,
        sum(clicked) as n1,
        sum(clicked * bought) as y1,
        sum(waited) as n0,
        sum(waited * bought) as y0
    from spells
    group by segmentation, segment_id, channel, arrangement, segment_stratum, impression_stratum
),

final as (
    select
        *,
        {{ ratio('y1', 'n1') }} as rate1,
        {{ ratio('y0', 'n0') }} as rate0,
        {{ ratio('n0', '(n1 + n0)') }} as weight1,
        {{ ratio('n1', '(n1 + n0)') }} as weight0
    from counted
)

select * from final
