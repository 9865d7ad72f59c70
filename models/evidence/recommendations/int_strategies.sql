{{ config(schema='intermediate') }}
{% set needed = ['source', 'strategy', 'kpi_mart', 'kpi_metric', 'target_change', 'wording'] %}
{% set other_sources = ['demo'] + var('segmentations_by_source') | reject('equalto', 'default') | list %}

-- Strategies of the demo or of a study rest on the claims that came with it, so no other source has them.
with strategies as (
    select * from {{ ref('strategies') }}
    where coalesce(source, '') not in ({{ quoted_items(other_sources | reject('equalto', source_name())) }})
),

segments as (
    select * from {{ ref('segments') }}
),

running as (
    select distinct segmentation from segments
),

metrics as (
    select
        mart,
        metric,
        cell_key as dimension
    from {{ ref('int_claim_questions') }}
    where is_compared
),

-- A channel can be meant before anything was delivered about it.
cells as (
    select
        mart,
        cell
    from {{ ref('int_metric_cells') }}
    union distinct
    select
        metrics.mart,
        channels.channel as cell
    from metrics
    cross join {{ ref('channels') }} as channels
    where metrics.dimension = 'channel'
),

final as (
    select
        strategies.strategy_id,
        strategies.source,
        strategies.segmentation,
        own.segment_id,
        segments.segment_name,
        strategies.strategy,
        strategies.wording,
        strategies.kpi_mart,
        strategies.kpi_metric,
        strategies.kpi_cell,
        cast(strategies.target_change as double) as target_change,
        case
            {% for column in needed -%}
            when strategies.{{ column }} is null
                then '{{ column }} is missing'
            {% endfor -%}
            when strategies.segment is not null and own.segment_id is null
                then 'segment ' || strategies.segment || ' is no segment of ' || strategies.segmentation || ' and no label'
            when metrics.metric is null
                then 'there is no figure ' || strategies.kpi_metric || ' in a mart ' || strategies.kpi_mart
            when metrics.dimension is null and strategies.kpi_cell is not null
                then strategies.kpi_mart || ' has one figure a segment, so kpi_cell is to be empty, not ' || strategies.kpi_cell
            when metrics.dimension is not null and strategies.kpi_cell is null
                then 'kpi_cell is to say which ' || metrics.dimension || ' of ' || strategies.kpi_mart || ' is meant'
            when metrics.dimension is not null and cells.cell is null
                then 'there is no ' || metrics.dimension || ' ' || strategies.kpi_cell || ' in ' || strategies.kpi_mart
        end as problem
    from strategies
    inner join running on strategies.segmentation = running.segmentation
    left join metrics on strategies.kpi_mart = metrics.mart and strategies.kpi_metric = metrics.metric
    left join cells on strategies.kpi_mart = cells.mart and strategies.kpi_cell = cells.cell
    left join {{ ref('int_segment_references') }} as own
        on strategies.segmentation = own.segmentation and strategies.segment = own.reference
    left join segments on own.segmentation = segments.segmentation and own.segment_id = segments.segment_id
)

select * from final
