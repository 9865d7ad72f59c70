{{ config(schema='intermediate') }}

with customers as (
    select
        channel,
        cap,
        customer_number,
        sum({{ weighted_after() }}) as numerator,
        sum({{ weighted_before() }}) as denominator
    from {{ ref('int_within_spell_splits') }}
    group by channel, cap, customer_number
),

final as (
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
    inner join {{ ref('int_group_members') }} as members on customers.customer_number = members.customer_number
    where customers.numerator > 0 or customers.denominator > 0
    group by members.group_id, customers.channel, customers.cap
    having sum(customers.numerator) > 0 and sum(customers.denominator) > 0
)

select * from final
