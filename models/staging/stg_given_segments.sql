select
    segmentation,
    entity_id,
    segment
from {{ ref('base_given_segments') }}
where row_status = 'accepted'
