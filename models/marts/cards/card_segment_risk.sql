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
        cast(cards.prc_full_payment as double) as full_payment
        {%- for name, (y, x) in ratios.items() %},
        cast(case when cards.{{ x }} is not null then cards.{{ y }} end as double) as {{ name }}_y,
        cast(case when cards.{{ y }} is not null then cards.{{ x }} end as double) as {{ name }}_x
        {%- endfor %}
    from {{ ref('stg_card_accounts') }} as cards
    inner join {{ ref('segment_members') }} as members
        on cards.cust_id = members.entity_id and members.grain = 'card_account'
),

summed as (
    select
        segmentation,
        segment_id,
        count(*) as account_count,
        count(full_payment) as full_payment_count,
        sum(full_payment) as full_payment_sum,
        sum({{ product_of('full_payment', 'full_payment') }}) as full_payment_squared,
        sum(power(full_payment, 3)) as full_payment_cubed
        {%- for name in ratios %},
        count({{ name }}_y) as {{ name }}_count
        {%- for y, x in [(1, 0), (0, 1), (2, 0), (0, 2), (1, 1), (3, 0), (2, 1), (1, 2), (0, 3)] %},
        sum(power({{ name }}_y, {{ y }}) * power({{ name }}_x, {{ x }})) as {{ name }}_y{{ y }}x{{ x }}
        {%- endfor %}
        {%- endfor %}
    from accounts
    group by segmentation, segment_id
),

moments as (
    select
        segmentation,
        segment_id,
        account_count,
        {{ mean_moments(
            'full_payment_share', 'full_payment_count', 'full_payment_sum', 'full_payment_squared', 'full_payment_cubed') }}
        {%- for name in ratios %},
        {{ name }}_count,
        {{ ratio_moments(
            name, name ~ '_count', name ~ '_y1x0', name ~ '_y0x1', name ~ '_y2x0', name ~ '_y0x2', name ~ '_y1x1',
            name ~ '_y3x0', name ~ '_y2x1', name ~ '_y1x2', name ~ '_y0x3') }}
        {%- endfor %}
    from summed
),

final as (
    select
        moments.segmentation,
        moments.segment_id,
        segments.segment_name,
        moments.account_count,
        {{ interval_of_moments('full_payment_share', 0, 1) }},
        {% for name in ratios -%}
        moments.{{ name }}_count,
        {{ interval_of_moments(name, 0) }},
        {% endfor -%}
        {{ is_small_cell('moments.account_count', 'moments.account_count') }} as is_small_cell
    from moments
    inner join {{ ref('segments') }} as segments
        on moments.segmentation = segments.segmentation and moments.segment_id = segments.segment_id
)

select * from final
