select
    segmentation,
    label,
    segment,
    rule_metric,
    rule_rank,
    assumption
from {{ ref('base_segment_labels') }}
where row_status = 'accepted'
