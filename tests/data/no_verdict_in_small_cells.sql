{% set marts = [
    'segment_differences', 'segment_channel_purchase_association', 'segment_product_purchase_association',
    'campaign_effects',
] %}

with tested as (
    {% for mart in marts %}
    select
        '{{ mart }}' as found_in,
        segmentation || ', segment ' || coalesce(segment_id, 0) as row_name
    from {{ ref(mart) }}
    where is_small_cell and (p is not null or adjusted_p is not null)
    union all
    {% endfor %}
    select
        'claim_verdicts' as found_in,
        verdicts.claim_id as row_name
    from {{ ref('claim_verdicts') }} as verdicts
    inner join {{ ref('int_claim_evidence') }} as evidence on verdicts.claim_id = evidence.claim_id
    where evidence.is_small_cell and verdicts.verdict <> 'not_identifiable'
)

select * from tested
