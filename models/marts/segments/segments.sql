with names as (
    select * from {{ ref('segment_names') }}
),

member_counts as (
    select
        segmentation,
        segment_id,
        count(*) as entity_count
    from {{ ref('segment_members') }}
    group by segmentation, segment_id
),

fits as (
    select
        segmentation,
        max(fit_id) as fit_id,
        max(as_of_on) as fitted_as_of_on
    from {{ ref('current_fits') }}
    group by segmentation
),

sized as (
    select
        names.*,
        coalesce(member_counts.entity_count, 0) as entity_count,
        sum(coalesce(member_counts.entity_count, 0)) over (partition by names.segmentation) as all_count
    from names
    left join member_counts
        on names.segmentation = member_counts.segmentation and names.segment_id = member_counts.segment_id
),

final as (
    select
        sized.segmentation,
        case sized.segmentation
            {%- for segmentation in segmentations() %}
            when {{ quoted(segmentation.name) }} then {{ quoted(segmentation.grain) }}
            {%- endfor %}
        end as grain,
        sized.segment_id,
        sized.segment_name,
        sized.segment_description,
        sized.persona,
        sized.persona_match,
        sized.agreed_by,
        cast(sized.agreed_on as date) as agreed_on,
        sized.entity_count,
        {{ ratio('sized.entity_count', 'sized.all_count') }} as segment_share,
        fits.fit_id,
        cast(fits.fitted_as_of_on as date) as fitted_as_of_on
    from sized
    inner join fits on sized.segmentation = fits.segmentation
)

select * from final
