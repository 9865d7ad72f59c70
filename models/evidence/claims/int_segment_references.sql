{{ config(schema='intermediate') }}

with segments as (
    select
        segmentation,
        segment_id,
        segment_name,
        entity_count
    from {{ ref('segments') }}
),

-- What a label's rule can rank: every figure (mart.metric, or mart.metric:cell), and the size.
rankable as (
    select
        segmentation,
        segment_id,
        mart || '.' || metric || coalesce(':' || cell, '') as rule_metric,
        estimate as figure
    from {{ ref('int_metric_groups') }}
    where group_type = 'segment'
    union all
    select
        segmentation,
        segment_id,
        'segments.entity_count' as rule_metric,
        cast(entity_count as double) as figure
    from segments
),

ranked as (
    select
        segmentation,
        segment_id,
        rule_metric,
        row_number() over (partition by segmentation, rule_metric order by figure desc nulls last, segment_id asc) as rule_rank
    from rankable
),

labels as (
    select
        labels.segmentation,
        labels.label as reference,
        coalesce(segments.segment_id, ranked.segment_id) as segment_id
    from {{ ref('stg_segment_labels') }} as labels
    left join segments on labels.segmentation = segments.segmentation and labels.segment = segments.segment_name
    left join ranked
        on
            labels.segmentation = ranked.segmentation
            and labels.rule_metric = ranked.rule_metric
            and labels.rule_rank = ranked.rule_rank
),

final as (
    select
        segmentation,
        segment_name as reference,
        segment_id
    from segments
    union all
    select
        labels.segmentation,
        labels.reference,
        labels.segment_id
    from labels
    where labels.segment_id is not null and not exists (
        select 1 from segments
        where segments.segmentation = labels.segmentation and segments.segment_name = labels.reference
    )
)

select * from final
