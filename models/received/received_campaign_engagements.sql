select * from {{ raw('campaign_engagements') }} as raw_rows
