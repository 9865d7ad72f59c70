{#- Each ratio's numerator and denominator, of accounts that have both. -#}
{% set ratios = {
    'cash_advance_to_limit': ('cash_advance', 'credit_limit'),
    'utilisation': ('balance', 'credit_limit'),
    'minimum_payment_coverage': ('payments', 'minimum_payments'),
} %}

with accounts as (
    select
        members.segmentation,
        members.segment_id,
        cards.*
    from {{ ref('stg_card_accounts') }} as cards
    inner join {{ ref('segment_members') }} as members
        on cards.cust_id = members.entity_id and members.grain = 'card_account'
),

figures as (
    select
        segmentation,
        segment_id,
        'full_payment_share' as metric,
        'mean' as kind,
        cast(prc_full_payment as double) as y,
        cast(1 as double) as x
    from accounts
    where prc_full_payment is not null
    {% for name, (y, x) in ratios.items() -%}
    union all
    select
        segmentation,
        segment_id,
        '{{ name }}' as metric,
        'ratio' as kind,
        cast({{ y }} as double) as y,
        cast({{ x }} as double) as x
    from accounts
    where {{ y }} is not null and {{ x }} is not null
    {% endfor %}
),

final as (
    select
        segmentation,
        segment_id,
        metric,
        kind,
        count(*) as customer_count,
        count(case when y > 0 then 1 end) as carrier_count,
        {% for product in cell_powers() if product != 'root_y' -%}
        sum(power(y, {{ product.count('y') }}) * power(x, {{ product.count('x') }})) as sum_{{ product }},
        {% endfor -%}
        sum(sqrt(y)) as sum_root_y
    from figures
    group by segmentation, segment_id, metric, kind
)

select * from final
