{%- set parts = [
    'total', 'per_customer', 'per_customer_low', 'per_customer_high', 'per_customer_median', 'per_customer_median_low',
    'per_customer_median_high', 'per_customer_trimmed', 'top_tenth_share', 'top_customer_share',
] -%}

with customers as (
    select
        members.segmentation,
        members.segment_id,
        count(*) as customer_count,
        count(customers.clv) as valued_customer_count,
        count(case when customers.is_active then 1 end) as active_customer_count,
        count(case when customers.basis = 'model' then 1 end) as modelled_customer_count
    from {{ ref('customer_segments') }} as members
    inner join {{ ref('customer_value') }} as customers on members.customer_id = customers.customer_id
    group by members.segmentation, members.segment_id
),

figures as (
    select
        segmentation,
        segment_id,
        {% for part in ['per_customer', 'per_customer_low', 'per_customer_high'] -%}
        max(case when value_figure = 'probability_active' then {{ part }} end) as probability_active_{{ part }},
        {% endfor %}
        {%- for figure in segment_value_figures() -%}
        {% set is_last_figure = loop.last -%}
        {% for part in parts -%}
        max(case when value_figure = '{{ figure }}' then {{ part }} end) as {{ figure }}_{{ part }}{{ ',' if not (is_last_figure and loop.last) }}
        {% endfor %}
        {%- endfor %}
    from {{ ref('int_segment_value_figures') }}
    group by segmentation, segment_id
),

final as (
    select
        customers.segmentation,
        customers.segment_id,
        segments.segment_name,
        customers.customer_count,
        customers.valued_customer_count,
        customers.active_customer_count,
        customers.modelled_customer_count,
        figures.probability_active_per_customer as mean_probability_active,
        figures.probability_active_per_customer_low as mean_probability_active_low,
        {{ cut_off('figures.probability_active_per_customer_high', '>', 1) }} as mean_probability_active_high,
        {% for figure in segment_value_figures() -%}
        {% for part in parts -%}
        figures.{{ figure }}_{{ part }},
        {% endfor %}
        {%- endfor %}
        {{ names_where({
            'no_model': 'customers.modelled_customer_count = 0',
            'no_value': 'customers.valued_customer_count = 0',
            'zero_last_year_amount': 'figures.last_year_amount_total = 0',
            'zero_expected_transactions': 'figures.expected_transactions_365_total = 0',
            'zero_expected_revenue': 'figures.expected_revenue_365_total = 0',
            'zero_clv': 'figures.clv_total = 0',
            'too_few_for_median': 'figures.last_year_amount_per_customer_median_low is null',
        }) }} as null_reasons,
        {{ is_small_cell('customers.customer_count', 'customers.valued_customer_count') }} as is_small_cell
    from customers
    inner join {{ ref('segments') }} as segments
        on customers.segmentation = segments.segmentation and customers.segment_id = segments.segment_id
    left join figures
        on customers.segmentation = figures.segmentation and customers.segment_id = figures.segment_id
)

select * from final
