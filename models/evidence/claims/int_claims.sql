{{ config(schema='intermediate', post_hook="{{ stop_at_unknown_claims() }}") }}

with claims as (
    select
        *,
        coalesce(channel, product, transaction_type, touchpoint) as cell
    from {{ ref('stg_claims') }}
),

questions as (
    select distinct
        mart,
        metric
    from {{ ref('int_metric_sources') }}
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
        case
            when segmentations.segmentation is null
                then 'segmentation ' || claims.segmentation || ' does not run on this source'
            when claims.claim_type not in ({{ quoted_items(claim_types()) }})
                then 'claim_type ' || claims.claim_type || ' is none of {{ claim_types() | join(', ') }}'
            when claims.segment is not null and own.segment_id is null
                then 'segment ' || claims.segment || ' is no segment of ' || claims.segmentation || ' and no label'
            when claims.segment is not null and claims.compared_with <> 'rest' and other.segment_id is null
                then 'compared_with ' || claims.compared_with || ' is no segment of ' || claims.segmentation || ', no label and not rest'
            when claims.claim_type <> 'explanation' and coalesce(claims.mart, claims.metric) is not null and questions.metric is null
                then 'there is no figure ' || coalesce(claims.metric, '(none)') || ' in a mart ' || coalesce(claims.mart, '(none)')
            when claims.claim_type in ('more_than', 'less_than') and claims.compared_with is null
                then claims.claim_type || ' needs what it is compared_with'
            when claims.claim_type in ('more_than', 'less_than') and claims.segment is null and claims.mart <> 'variation_shares'
                then claims.claim_type || ' needs a segment'
            when own.segment_id = other.segment_id
                then 'a segment cannot be compared with itself'
            when claims.figure_low > claims.figure_high or claims.tolerance < 0
                then 'the band is upside down'
            when claims.claim_type in ('highest', 'lowest') and claims.segment is null
                then claims.claim_type || ' needs a segment'
            when claims.claim_type = 'about' and (claims.figure is null or claims.tolerance is null)
                then 'about needs a figure and a tolerance'
            when claims.claim_type = 'within' and (claims.figure_low is null or claims.figure_high is null)
                then 'within needs figure_low and figure_high'
            when claims.claim_type = 'goes_with' and coalesce(claims.sign, '') not in ('+', '-')
                then 'goes_with needs the sign + or -'
        end as problem
    from claims
    left join segmentations on claims.segmentation = segmentations.segmentation
    left join questions on claims.mart = questions.mart and claims.metric = questions.metric
    left join {{ ref('int_segment_references') }} as own
        on claims.segmentation = own.segmentation and claims.segment = own.reference
    left join {{ ref('int_segment_references') }} as other
        on claims.segmentation = other.segmentation and claims.compared_with = other.reference
)

select * from final
