{#- What both transaction marts sum over customers, and the figures made from these sums. -#}

{% macro with_ranks(relation, cell) %}
    {#- Active customers' counts, totals and means as ranks in their cell, which is told by its hash alone: sorting by one
        number a cell, and carrying no more, takes less than half the time of sorting by its columns. -#}
    select
        cell_hash,
        transaction_count,
        total_amount,
        {{ average_rank('transaction_count', 'cell_hash') }} as count_rank,
        {{ average_rank('total_amount', 'cell_hash') }} as total_rank,
        {{ average_rank(ratio('total_amount', 'transaction_count'), 'cell_hash') }} as mean_rank
    from (
        select
            {{ hash_of(cell) }} as cell_hash,
            transaction_count,
            total_amount
        from {{ relation }}
    ) as hashed
{%- endmacro %}


{% macro active_amount_sums() -%}
    {#- Over one row per customer with a transaction in the cell. The others, most of all, would add nothing to a sum and
        zeros to the order: customer_amount_sums counts them. -#}
    count(*) as active_customer_count,
        cast(sum(transaction_count) as bigint) as transaction_count,
        cast(sum(total_amount) as decimal(38, 2)) as total_amount,
        sum({{ product_of('transaction_count', 'transaction_count') }}) as counts_squared,
        sum({{ product_of('total_amount', 'total_amount') }}) as amounts_squared,
        sum({{ product_of('total_amount', 'transaction_count') }}) as amounts_times_counts,
        sum({{ product_of(product_of('transaction_count', 'transaction_count'), 'transaction_count') }}) as counts_cubed,
        sum({{ product_of(product_of('total_amount', 'total_amount'), 'total_amount') }}) as amounts_cubed,
        sum({{ product_of(product_of('total_amount', 'total_amount'), 'transaction_count') }}) as amounts_squared_times_counts,
        sum({{ product_of(product_of('total_amount', 'transaction_count'), 'transaction_count') }}) as amounts_times_counts_squared,
        sum(sqrt(cast(total_amount as double))) as amount_roots,
        {{ in_order('cast(total_amount as double)') }} as amounts,
        {{ correlation('count_rank', 'total_rank') }} as count_total_rank_correlation,
        {{ correlation('count_rank', 'mean_rank') }} as count_mean_rank_correlation
{%- endmacro %}


{% macro customer_amount_sums(customers, active) -%}
    {#- From the sums over active customers, none where nobody was, and beside them customer_count. -#}
    {{ customers }}.customer_count,
        {% for column in ['active_customer_count', 'transaction_count', 'total_amount'] -%}
        coalesce({{ active }}.{{ column }}, 0) as {{ column }},
        {% endfor -%}
        {% for column in [
            'counts_squared', 'amounts_squared', 'amounts_times_counts', 'counts_cubed', 'amounts_cubed',
            'amounts_squared_times_counts', 'amounts_times_counts_squared', 'amount_roots',
        ] -%}
        coalesce({{ active }}.{{ column }}, 0) as {{ column }},
        {% endfor -%}
        {% for name, zeros in {
            'customer': customers ~ '.customer_count - coalesce(' ~ active ~ '.active_customer_count, 0)',
            'active_customer': '0',
        }.items() -%}
        {% set count = '(coalesce(' ~ active ~ '.active_customer_count, 0) + ' ~ zeros ~ ')' -%}
        {% set amounts = active ~ '.amounts' -%}
        {{ quantile_in_order(amounts, count, 0.5, zeros) }} as amount_per_{{ name }}_median,
        {{ median_end_in_order(amounts, count, '-', zeros) }} as amount_per_{{ name }}_median_low,
        {{ median_end_in_order(amounts, count, '+', zeros) }} as amount_per_{{ name }}_median_high,
        {{ quantile_in_order(amounts, count, 0.25, zeros) }} as amount_per_{{ name }}_p25,
        {{ quantile_in_order(amounts, count, 0.75, zeros) }} as amount_per_{{ name }}_p75,
        {% endfor -%}
        {{ active }}.count_total_rank_correlation,
        {{ active }}.count_mean_rank_correlation
{%- endmacro %}


{% macro transaction_amount_sums() -%}
    {#- Over one row per transaction; transaction_amount_figures names what is in them. -#}
    sum({{ product_of('amount', 'amount') }}) as transaction_amounts_squared,
        {{ quartiles('amount') }} as amount_quartiles
{%- endmacro %}


{% macro transaction_amount_figures() -%}
    transaction_amounts_squared,
        {{ value_at('amount_quartiles', 2) }} as amount_per_transaction_median,
        {{ value_at('amount_quartiles', 1) }} as amount_per_transaction_p25,
        {{ value_at('amount_quartiles', 3) }} as amount_per_transaction_p75
{%- endmacro %}


{% macro transaction_moments() -%}
    {#- What the intervals are made from, as columns of a step of its own: written out in place, each would be repeated
        dozens of times. -#}
    {{ mean_moments('transactions_per_customer', 'customer_count', 'transaction_count', 'counts_squared', 'counts_cubed') }},
        {% for name, customers in {'customer': 'customer_count', 'active_customer': 'active_customer_count'}.items() -%}
        {{ mean_moments('amount_per_' ~ name, customers, 'total_amount', 'amounts_squared', 'amounts_cubed') }},
        {% endfor -%}
        {{ ratio_moments(
            'amount_per_transaction', 'customer_count', 'total_amount', 'transaction_count',
            'amounts_squared', 'counts_squared', 'amounts_times_counts',
            'amounts_cubed', 'amounts_squared_times_counts', 'amounts_times_counts_squared', 'counts_cubed') }}
{%- endmacro %}


{% macro transaction_figures() -%}
    {#- From the sums and, beside them, the columns of transaction_moments. -#}
    {{ interval_of_moments('transactions_per_customer', 0) }},
        {% for name, customers in {'customer': 'customer_count', 'active_customer': 'active_customer_count'}.items() -%}
        {{ interval_of_moments('amount_per_' ~ name, 0) }},
        {{ coefficient_of_variation(customers, 'total_amount', 'amounts_squared') }} as amount_per_{{ name }}_cv,
        {% endfor -%}
        {{ interval_of_moments('amount_per_transaction', 0) }},
        {{ coefficient_of_variation('transaction_count', 'total_amount', 'transaction_amounts_squared') }}
            as amount_per_transaction_cv,
        {{ is_small_cell('customer_count', 'active_customer_count') }} as is_small_cell
{%- endmacro %}


{% macro comparison_columns(relation, figures) -%}
    {#- What a segment is told against the rest and in order, of every figure of segment_transactions. -#}
    {%- for metric in var('metrics') if metric.mart == 'segment_transactions' %}
        {%- for figure in figures %}
        {{ relation }}.{{ metric.metric }}_{{ figure }},
        {%- endfor %}
        coalesce({{ relation }}.is_{{ metric.metric }}_rank_certain, false) as is_{{ metric.metric }}_rank_certain{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
