with tested as (
    select
        sums.*,
        changes.first_ctr,
        case when changes.delivery = 'independent' then changes.first_ctr end as independent_first_ctr,
        changes.delivery,
        changes.comparison,
        customer_groups.is_all_customers,
        customer_groups.segmentation,
        customer_groups.segment_id,
        customer_groups.segment_name,
        bands.to_impressions,
        {{ is_small_cell('sums.position_n', 'sums.position_y') }} as is_small_cell,
        case
            when not {{ is_small_cell('sums.position_n', 'sums.position_y') }}
                then {{ difference_p('changes.log_change', 'changes.log_change_error') }}
        end as p,
        {{ family_of_group('segment_channel_impression_bands') }} as family
    from {{ ref('int_band_sums') }} as sums
    inner join {{ ref('int_band_changes') }} as changes
        on sums.group_id = changes.group_id and sums.channel = changes.channel and sums.band_name = changes.band_name
    inner join {{ ref('int_customer_groups') }} as customer_groups on sums.group_id = customer_groups.group_id
    inner join {{ ref('int_impression_bands') }} as bands on sums.band_name = bands.band_name
),

adjusted as (
    {{ adjusted_p('p', 'family', 'tested') }}
),

final as (
    select
        is_all_customers,
        segmentation,
        segment_id,
        segment_name,
        channel,
        band_name,
        from_impressions,
        to_impressions,
        cast(round(naive_x) as bigint) as naive_impression_count,
        cast(round(naive_y) as bigint) as naive_click_count,
        naive_n as naive_customer_count,
        {{ band_ratio('naive_ctr', 'naive', maximum=1) }},
        cast(round(position_x) as bigint) as band_impression_count,
        position_n as customer_count,
        {{ band_log_ratio('within_ctr', 'within', 'independent_first_ctr') }},
        {{ band_ratio('across_ctr', 'across', 'first_ctr') }},
        cast(round(hazard_x) as bigint) as at_risk_impression_count,
        cast(round(hazard_y) as bigint) as first_click_count,
        hazard_n as at_risk_customer_count,
        {{ band_ratio('first_click_hazard', 'hazard', maximum=1) }},
        p,
        adjusted_p,
        family,
        {{ comparison_in_words('comparison') }} as method,
        delivery,
        is_small_cell
    from adjusted
)

select * from final
