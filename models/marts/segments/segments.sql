with names as (
    select
        segmentation,
        segment_id,
        segment_name,
        segment_description,
        persona,
        persona_match,
        agreed_by,
        agreed_on,
        fit_id
    from {{ ref('segment_names') }}
    union all
    select distinct
        segmentation,
        segment_id,
        segment_name,
        'Handed in with this label.' as segment_description,
        cast(null as {{ text_type() }}) as persona,
        cast(null as double) as persona_match,
        cast(null as {{ text_type() }}) as agreed_by,
        cast(null as timestamp) as agreed_on,
        'given' as fit_id
    from {{ ref('given_segment_members') }}
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
        fit_id,
        max(as_of_on) as fitted_as_of_on
    from {{ ref('current_fits') }}
    group by fit_id
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

certificates as (
    select
        fit_id,
        no_structure_found
    from {{ ref('segmentation_noise_check') }}
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
        sized.fit_id,
        cast(fits.fitted_as_of_on as date) as fitted_as_of_on,
        certificates.no_structure_found
    from sized
    left join fits on sized.fit_id = fits.fit_id
    left join certificates on sized.fit_id = certificates.fit_id
)

select * from final
