with counted as (
    select
        claim_id,
        count(*) as row_count
    from {{ ref('claim_verdicts') }}
    group by claim_id
)

select
    coalesce(claims.claim_id, counted.claim_id) as claim_id,
    coalesce(counted.row_count, 0) as row_count
from {{ ref('stg_claims') }} as claims
full outer join counted on claims.claim_id = counted.claim_id
where claims.claim_id is null or coalesce(counted.row_count, 0) <> 1
