{{ config(schema='intermediate') }}

with splits as (
    select
        *,
        expected_before + expected_after as expected
    from {{ ref('int_within_spell_splits') }}
    where expected_before > 0 and expected_after > 0
),

customers as (
    select
        channel,
        cap,
        customer_id,
        sum({{ weighted_after() }}) as numerator,
        sum({{ weighted_before() }}) as denominator
    from splits
    group by channel, cap, customer_id
),

ratios as (
    select
        members.group_id,
        customers.channel,
        customers.cap,
        sum(customers.numerator) as numerator,
        sum(customers.denominator) as denominator,
        case
            when count(*) >= {{ var('small_cell_events') }}
                then {{ log_ratio_error(
                    'sum(customers.numerator)', 'sum(customers.denominator)',
                    'sum(customers.numerator * customers.numerator)',
                    'sum(customers.denominator * customers.denominator)',
                    'sum(customers.numerator * customers.denominator)') }}
        end as log_error
    from customers
    inner join {{ ref('int_group_members') }} as members on customers.customer_id = members.customer_id
    where customers.numerator > 0 or customers.denominator > 0
    group by members.group_id, customers.channel, customers.cap
    having sum(customers.numerator) > 0 and sum(customers.denominator) > 0
),

final as (
    select
        ratios.group_id,
        ratios.channel,
        ratios.cap,
        ratios.numerator / ratios.denominator as relative_response,
        ratios.log_error,
        sum({{ profile_likelihood('numerator / denominator') }}) as log_likelihood,
        sum({{ profile_information('numerator / denominator') }}) as information
    from splits
    inner join {{ ref('int_group_members') }} as members on splits.customer_id = members.customer_id
    inner join ratios
        on members.group_id = ratios.group_id and splits.channel = ratios.channel and splits.cap = ratios.cap
    group by
        ratios.group_id, ratios.channel, ratios.cap, ratios.numerator, ratios.denominator, ratios.log_error
)

select * from final
