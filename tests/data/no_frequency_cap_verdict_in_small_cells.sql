select
    'segment_channel_frequency_caps' as found_in,
    segmentation,
    segment_id,
    channel
from {{ ref('segment_channel_frequency_caps') }}
where is_small_cell and (verdict <> 'insufficient' or p is not null or adjusted_p is not null)
union all
select
    'segment_channel_impression_bands' as found_in,
    segmentation,
    segment_id,
    channel
from {{ ref('segment_channel_impression_bands') }}
where is_small_cell and (p is not null or adjusted_p is not null)
