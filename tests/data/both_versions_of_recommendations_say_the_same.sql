with differences as (
    select
        coalesce(old.strategy_id, new.strategy_id) as strategy_id,
        old.rests_on,
        new.claim_ids
    from {{ ref('recommendations', version=1) }} as old
    full join {{ ref('recommendations', version=2) }} as new on old.strategy_id = new.strategy_id
    where
        old.strategy_id is null
        or new.strategy_id is null
        or old.rests_on <> new.claim_ids
        or old.status <> new.status
        or old.reason <> new.reason
)

select * from differences
