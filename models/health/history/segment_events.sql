{% set is_part = 'share_of_from >= ' ~ var('event_minimum_part') ~ ' and share_of_to >= 0.5' %}

with segments as (
    select * from {{ ref('int_segment_pairs_of_dates') }}
),

transitions as (
    select
        *,
        sum(case when {{ is_part }} then 1 else 0 end) over (partition by segmentation, from_segment_id) as part_count,
        sum(case when share_of_from >= 0.5 then 1 else 0 end)
            over (partition by segmentation, to_segment_id) as source_count
    from {{ ref('int_segment_transitions') }}
),

events as (
    select
        segmentation,
        segment_id,
        'renamed' as event,
        segment_id as related_segment_id
    from segments
    where segment_name <> earlier_segment_name
    union all
    select
        segmentation,
        segment_id,
        case
            when segment_name is null then 'died'
            when earlier_segment_name is null then 'born'
            else 'kept'
        end as event,
        segment_id as related_segment_id
    from segments
    where fit_id <> earlier_fit_id
    union all
    select
        segmentation,
        from_segment_id as segment_id,
        'split' as event,
        to_segment_id as related_segment_id
    from transitions
    where part_count > 1 and {{ is_part }} and from_segment_id <> to_segment_id
    union all
    select
        segmentation,
        to_segment_id as segment_id,
        'merged' as event,
        from_segment_id as related_segment_id
    from transitions
    where source_count > 1 and share_of_from >= 0.5 and from_segment_id <> to_segment_id
),

final as (
    {{ of_other_dates('segment_events', ref('segments')) }}
    union all
    select
        events.segmentation,
        segments.as_of_on,
        events.segment_id,
        events.event,
        case when events.event in ('split', 'merged') then events.related_segment_id end as related_segment_id,
        segments.segment_name,
        segments.earlier_segment_name,
        segments.earlier_entity_count,
        segments.entity_count,
        transitions.entity_count as shared_count,
        transitions.overlap,
        segments.earlier_as_of_on,
        segments.earlier_fit_id,
        segments.fit_id
    from events
    inner join segments
        on events.segmentation = segments.segmentation and events.segment_id = segments.segment_id
    left join transitions
        on
            events.segmentation = transitions.segmentation
            and case when events.event = 'merged' then events.related_segment_id else events.segment_id end
            = transitions.from_segment_id
            and case when events.event = 'merged' then events.segment_id else events.related_segment_id end
            = transitions.to_segment_id
    where events.event in ('renamed', 'split', 'merged') or segments.fit_id <> segments.earlier_fit_id
)

select * from final
