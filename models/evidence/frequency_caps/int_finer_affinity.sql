{{ config(schema='intermediate') }}

with spells as (
    select
        *,
        first_day_impressions * first_response as first_expected,
        first_day_impressions * (first_day_impressions - 1) * first_response * first_response as pair_chances
    from {{ ref('int_spell_expectations') }}
),

others as (
    select
        *,
        sum(first_day_clicks) over own - first_day_clicks as other_clicks_sum,
        sum(first_day_clicks * first_day_clicks) over own - first_day_clicks * first_day_clicks as other_clicks_squared,
        sum(first_expected) over own - first_expected as other_expected,
        sum(first_expected * first_expected) over own - first_expected * first_expected as other_expected_squared
    from spells
    window own as (partition by customer_id, channel)
),

pairs as (
    select
        customer_id,
        first_day_clicks * (first_day_clicks - 1) as repeats,
        pair_chances,
        other_clicks_sum * other_clicks_sum - other_clicks_squared as other_pairs,
        other_expected * other_expected - other_expected_squared as other_expected_pairs
    from others
),

customers as (
    select
        customer_id,
        sum(repeats * other_expected_pairs) as repeated,
        sum(pair_chances * other_pairs) as expected,
        sum(pair_chances) as pair_chances,
        sum(other_pairs) as other_pairs,
        sum(other_expected_pairs) as other_expected_pairs
    from pairs
    group by customer_id
),

sums as (
    select
        sum(repeated) as repeated,
        sum(expected) as expected,
        sum(repeated * repeated) as repeated_squared,
        sum(expected * expected) as expected_squared,
        sum(repeated * expected) as products,
        sum(pair_chances) * {{ ratio('sum(other_pairs)', 'sum(other_expected_pairs)') }} as expected_repeats
    from customers
),

ratios as (
    select
        {{ ratio('repeated', 'expected') }} as affinity_ratio,
        {{ log_ratio_error('repeated', 'expected', 'repeated_squared', 'expected_squared', 'products') }} as log_error,
        expected_repeats
    from sums
),

final as (
    select
        *,
        case
            when
                affinity_ratio * exp(-2 * log_error) > 1 - {{ var('finer_affinity_limit') }}
                and affinity_ratio * exp(2 * log_error) < 1 + {{ var('finer_affinity_limit') }} then 'clear'
            when affinity_ratio * exp(-2 * log_error) > 1 then 'finer'
            when affinity_ratio * exp(2 * log_error) < 1 then 'stops_within_days'
            -- Not one repeat has no error, but is telling where many were to be expected.
            when affinity_ratio = 0 and expected_repeats >= {{ var('small_cell_events') }} then 'stops_within_days'
            else 'unknown'
        end as affinity
    from ratios
)

select * from final
