select
    claim_id,
    source,
    sentence,
    claim_type,
    mart,
    metric,
    segmentation,
    segment,
    compared_with,
    channel,
    product,
    owned_product,
    transaction_type,
    touchpoint,
    band,
    sign,
    figure,
    tolerance,
    figure_low,
    figure_high,
    read_as
from {{ ref('base_claims') }}
where row_status = 'accepted'
