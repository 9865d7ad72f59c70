{{ config(schema='intermediate', post_hook="{{ stop_at_strategy_problems() }}") }}

with listed as (
    select
        strategy_id,
        count(*) as row_count
    from {{ ref('strategies') }}
    group by strategy_id
),

-- With one row and no claim for a strategy that cites none.
cited as (
    select
        strategies.strategy_id,
        cited.claim_id,
        claims.claim_id is not null as is_known,
        count(*) over (partition by strategies.strategy_id, cited.claim_id) as citation_count
    from (select distinct strategy_id from {{ ref('int_strategies') }}) as strategies
    left join {{ ref('strategy_claims') }} as cited on strategies.strategy_id = cited.strategy_id
    left join (select distinct claim_id from {{ ref('int_claims') }}) as claims on cited.claim_id = claims.claim_id
),

problems as (
    select
        'strategies' as seed,
        strategy_id,
        'the strategy_id stands there twice; give each strategy its own' as problem
    from listed
    where row_count > 1
    union all
    select
        'strategies' as seed,
        strategy_id,
        problem
    from {{ ref('int_strategies') }}
    where problem is not null
    union all
    select
        'strategy_claims' as seed,
        strategy_id,
        case
            when claim_id is null then 'the strategy rests on no claim, so name at least one'
            when not is_known then 'there is no claim ' || claim_id
            else 'claim ' || claim_id || ' stands there twice'
        end as problem
    from cited
    where not is_known or citation_count > 1
    union all
    select
        'strategy_claims' as seed,
        cited.strategy_id,
        'there is no strategy of this id in seeds/strategies.csv' as problem
    from {{ ref('strategy_claims') }} as cited
    left join listed on cited.strategy_id = listed.strategy_id
    where listed.strategy_id is null
),

final as (
    select distinct
        seed,
        strategy_id,
        problem
    from problems
)

select * from final
