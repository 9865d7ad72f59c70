with judged as (
    select
        verdicts.*,
        case when verdicts.verdict = 'cap' then readings.cap end as cap,
        case when verdicts.verdict = 'cap' then readings.cap_low end as cap_low,
        case when verdicts.verdict = 'cap' then readings.cap_high end as cap_high,
        case when verdicts.verdict = 'no_cap' then readings.largest_flat_cap else readings.largest_precise_cap end
            as largest_k_reached,
        case when verdicts.verdict = 'cap' then readings.cap else {{ var('no_cap_reach') }} end as relative_response_after,
        case when verdicts.verdict = 'cap' then readings.relative_response else readings.response_at_reach end
            as relative_response,
        case when verdicts.verdict = 'cap' then readings.log_error else readings.log_error_at_reach end as log_error,
        readings.response_at_reach,
        readings.log_error_at_reach
    from {{ ref('int_frequency_cap_verdicts') }} as verdicts
    left join {{ ref('int_frequency_cap_readings') }} as readings
        on
            verdicts.group_id = readings.group_id
            and verdicts.channel = readings.channel
            and verdicts.comparison = readings.comparison
),

tested as (
    select
        customer_groups.is_all_customers,
        customer_groups.segmentation,
        customer_groups.segment_id,
        customer_groups.segment_name,
        judged.*,
        {{ log_low('relative_response', 'log_error') }} as relative_response_low,
        {{ log_high('relative_response', 'log_error') }} as relative_response_high,
        {{ customers_needed() }} as customers_needed,
        case when not is_small_cell then {{ difference_p('ln(relative_response)', 'log_error') }} end as p,
        {{ family_of_group('segment_channel_frequency_caps') }} as family
    from judged
    inner join {{ ref('int_customer_groups') }} as customer_groups on judged.group_id = customer_groups.group_id
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
        verdict,
        cap,
        cap_low,
        cap_high,
        largest_k_reached,
        cast(relative_response_after as bigint) as relative_response_after,
        relative_response,
        relative_response_low,
        relative_response_high,
        relative_response - 1 as response_change,
        relative_response_low - 1 as response_change_low,
        relative_response_high - 1 as response_change_high,
        p,
        adjusted_p,
        family,
        {{ comparison_in_words('comparison') }} as method,
        delivery,
        odds_ratio as delivery_odds_ratio,
        {{ log_low('odds_ratio', 'odds_log_error') }} as delivery_odds_ratio_low,
        {{ log_high('odds_ratio', 'odds_log_error') }} as delivery_odds_ratio_high,
        affinity,
        affinity_ratio as finer_affinity,
        {{ log_low('affinity_ratio', 'affinity_log_error') }} as finer_affinity_low,
        {{ log_high('affinity_ratio', 'affinity_log_error') }} as finer_affinity_high,
        customer_count,
        history_click_count,
        customers_needed,
        what_to_randomise,
        is_small_cell
    from adjusted
)

select * from final
