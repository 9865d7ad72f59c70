{{ config(schema='intermediate') }}
{% set no_text = 'cast(null as ' ~ text_type() ~ ')' %}

-- Everything a claim can be about, with its interval: a segment's own figure (segment_id), or one over all (null).
with metrics as (
    select
        segmentation,
        segment_id,
        mart,
        metric,
        cell,
        {{ no_text }} as other_cell,
        customer_count,
        estimate,
        estimate_low,
        estimate_high,
        cast(null as double) as adjusted_p,
        is_small_cell,
        {{ no_text }} as obstacle,
        cast(null as double) as least_possible,
        cast(null as bigint) as customers_needed
    from {{ ref('int_metric_groups') }}
    where group_type in ('segment', 'all')
),

associations as (
    select
        *,
        cast(null as double) as least_possible,
        cast(null as bigint) as customers_needed
    from {{ ref('int_association_figures') }}
),

final as (
    select * from metrics
    union all
    select * from associations
    union all
    select * from {{ ref('int_engagement_figures') }}
    union all
    select * from {{ ref('int_impression_figures') }}
)

select * from final
