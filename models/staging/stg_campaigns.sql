select
    campaign_id,
    campaign_name,
    objective,
    product,
    starts_on,
    ends_on,
    budget_amount,
    planned_holdout_share
from {{ ref('base_campaigns') }}
where row_status = 'accepted'
