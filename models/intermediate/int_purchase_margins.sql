{{ config(post_hook="{{ stop_at_first_problem('seeds/margins.csv') }}") }}

with purchase_types as (
    {% for transaction_type in var('purchase_transaction_types') -%}
    select '{{ transaction_type }}' as transaction_type {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        purchase_types.transaction_type,
        margins.margin_rate,
        case
            when margins.margin_rate is null
                then 'transaction_type ' || purchase_types.transaction_type
                    || ': it has no margin_rate and is one of purchase_transaction_types; give it one'
        end as row_problem
    from purchase_types
    left join {{ ref('margins') }} as margins on purchase_types.transaction_type = margins.transaction_type
)

select * from final
