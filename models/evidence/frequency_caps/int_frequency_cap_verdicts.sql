{{ config(schema='intermediate') }}

with judged as (
    select
        *,
        {{ is_small_cell('customer_count', 'history_click_count') }} as is_small_cell,
        case
            when {{ is_small_cell('customer_count', 'history_click_count') }} then 'insufficient'
            when delivery = 'independent' then {{ verdict_of('reading_within') }}
            when affinity = 'clear' then {{ verdict_of('reading_across') }}
            when delivery = 'stops_after_clicks' and reading_across = 'no_cap' then 'no_cap'
            when delivery = 'stops_after_clicks' and reading_within = 'cap' then 'cap'
            when delivery = 'grows_after_clicks' and reading_within = 'no_cap' then 'no_cap'
            when delivery = 'grows_after_clicks' and reading_across = 'cap' then 'cap'
            when delivery = 'unknown' or affinity = 'unknown' then 'insufficient'
            else 'not_identifiable'
        end as verdict,
        case
            when delivery = 'independent' then 'within_customers'
            when affinity = 'clear' then 'across_campaigns'
            when delivery = 'stops_after_clicks' and reading_within = 'cap' and reading_across <> 'no_cap' then 'within_customers'
            when delivery = 'grows_after_clicks' and reading_within = 'no_cap' then 'within_customers'
            else 'across_campaigns'
        end as comparison
    from {{ ref('int_frequency_cap_evidence') }}
),

final as (
    select
        *,
        case
            when verdict = 'not_identifiable' and affinity = 'stops_within_days' then 'impressions_within_days'
            when verdict = 'not_identifiable' then 'delivery_after_clicks'
        end as what_to_randomise
    from judged
)

select * from final
