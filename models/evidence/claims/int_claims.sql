{{ config(schema='intermediate', post_hook="{{ stop_at_unknown_claims() }}") }}
{% set keys = claim_keys() %}

with claims as (
    select
        *,
        coalesce(channel, product, transaction_type, touchpoint) as cell,
        coalesce(owned_product, band) as other_cell
    from {{ ref('stg_claims') }}
),

named_keys as (
    {% for key in keys -%}
    select
        claim_id,
        '{{ key }}' as claim_key,
        {{ key }} as named
    from claims
    where {{ key }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

unknown_keys as (
    select
        named_keys.claim_id,
        min(named_keys.claim_key || ' ' || named_keys.named) as unknown_key
    from named_keys
    inner join (select distinct claim_key from {{ ref('int_claim_keys') }}) as handed_in
        on named_keys.claim_key = handed_in.claim_key
    left join {{ ref('int_claim_keys') }} as known
        on named_keys.claim_key = known.claim_key and named_keys.named = known.known_value
    where known.known_value is null
    group by named_keys.claim_id
),

segmentations as (
    select distinct segmentation from {{ ref('segments') }}
),

final as (
    select
        claims.*,
        own.segment_id,
        case when claims.compared_with <> 'rest' then other.segment_id end as other_segment_id,
        case
            when claims.claim_type in ('more_than', 'highest') or claims.sign = '+' then 1
            when claims.claim_type in ('less_than', 'lowest') or claims.sign = '-' then -1
        end as direction,
        {{ claim_problem() }} as problem
    from claims
    left join segmentations on claims.segmentation = segmentations.segmentation
    left join {{ ref('int_claim_questions') }} as questions
        on claims.mart = questions.mart and claims.metric = questions.metric
    left join unknown_keys on claims.claim_id = unknown_keys.claim_id
    left join {{ ref('int_segment_references') }} as own
        on claims.segmentation = own.segmentation and claims.segment = own.reference
    left join {{ ref('int_segment_references') }} as other
        on claims.segmentation = other.segmentation and claims.compared_with = other.reference
)

select * from final
