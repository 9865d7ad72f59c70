{{ config(schema='intermediate', materialized='view') }}

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
