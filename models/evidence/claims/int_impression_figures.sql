{{ config(schema='intermediate') }}
{% set customers = {'naive_ctr': 'naive_customer_count', 'first_click_hazard': 'at_risk_customer_count'} %}
{% set clicks = {'naive_ctr': 'naive_click_count', 'first_click_hazard': 'first_click_count'} %}

-- Caps and bands of all customers are the same in every segmentation.
with segmentations as (
    select distinct segmentation from {{ ref('int_customer_groups') }}
    where not is_all_customers
),

caps as (
    select
        segmentations.segmentation as of_segmentation,
        caps.*,
        case caps.verdict
            when 'insufficient' then 'insufficient'
            when 'not_identifiable' then 'not_randomised'
        end as obstacle
    from {{ ref('segment_channel_frequency_caps') }} as caps
    inner join segmentations on caps.is_all_customers or caps.segmentation = segmentations.segmentation
),

bands as (
    select
        segmentations.segmentation as of_segmentation,
        bands.*,
        -- Without its estimate: the same customers cannot be compared where delivery is not independent of their clicks.
        case
            when bands.within_ctr is null and bands.delivery = 'unknown' then 'insufficient'
            when bands.within_ctr is null and bands.delivery <> 'independent' then 'not_randomised'
        end as within_ctr_obstacle
    from {{ ref('segment_channel_impression_bands') }} as bands
    inner join segmentations on bands.is_all_customers or bands.segmentation = segmentations.segmentation
),

final as (
    select
        of_segmentation as segmentation,
        segment_id,
        'segment_channel_frequency_caps' as mart,
        'cap' as metric,
        channel as cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        cast(cap as double) as estimate,
        cast(cap_low as double) as estimate_low,
        cast(cap_high as double) as estimate_high,
        cast(null as double) as adjusted_p,
        is_small_cell,
        obstacle,
        case when verdict = 'no_cap' then cast(largest_k_reached + 1 as double) end as least_possible,
        customers_needed
    from caps
    union all
    select
        of_segmentation as segmentation,
        segment_id,
        'segment_channel_frequency_caps' as mart,
        'response_change' as metric,
        channel as cell,
        cast(null as {{ text_type() }}) as other_cell,
        customer_count,
        response_change as estimate,
        response_change_low as estimate_low,
        response_change_high as estimate_high,
        adjusted_p,
        is_small_cell,
        obstacle,
        cast(null as double) as least_possible,
        customers_needed
    from caps
    {% for metric in ['naive_ctr', 'within_ctr', 'across_ctr', 'first_click_hazard'] -%}
    union all
    select
        of_segmentation as segmentation,
        segment_id,
        'segment_channel_impression_bands' as mart,
        '{{ metric }}' as metric,
        channel as cell,
        lower(band_name) as other_cell,
        {{ customers.get(metric, 'customer_count') }} as customer_count,
        {{ metric }} as estimate,
        {{ metric }}_low as estimate_low,
        {{ metric }}_high as estimate_high,
        cast(null as double) as adjusted_p,
        {{ is_small_cell(customers[metric], clicks[metric]) if metric in customers else 'is_small_cell' }} as is_small_cell,
        {{ 'within_ctr_obstacle' if metric == 'within_ctr' else 'cast(null as ' ~ text_type() ~ ')' }} as obstacle,
        cast(null as double) as least_possible,
        cast(null as bigint) as customers_needed
    from bands
    {% endfor %}
)

select * from final
