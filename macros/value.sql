{#- Figures of customer value, named once. -#}

{% macro value_figures() %}
    {{ return([
        'expected_transactions_90', 'expected_transactions_365', 'expected_revenue_90', 'expected_revenue_365', 'clv']) }}
{% endmacro %}


{% macro segment_value_figures() %}
    {{ return(['last_year_amount', 'expected_transactions_365', 'expected_revenue_365', 'clv']) }}
{% endmacro %}


{% macro shared_error_of(figure) -%}
    {#- A customer's standard error in a figure of customer_value, where others share it: all but those whose expectation is
        their own last year, whose errors are in the customers' spread already. -#}
    {%- if figure == 'probability_active' -%} ({{ figure }}_high - {{ figure }}_low) / (2 * {{ interval_z() }})
    {%- elif figure in value_figures() -%}
    case
        when {{ 'transactions' if 'transactions' in figure else 'revenue' }}_baseline = 'last year' then 0e0
        else ({{ figure }}_high - {{ figure }}_low) / (2 * {{ interval_z() }})
    end
    {%- else -%} 0e0 {%- endif -%}
{%- endmacro %}


{% macro with_ends(relation, figures) -%}
    {#- Columns of figures with both ends of their intervals. -#}
    {%- for figure in figures %}
        {%- for end in ['', '_low', '_high'] %}
        {{ relation }}.{{ figure }}{{ end }}{{ ',' if not loop.last }}
        {%- endfor %}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro trimmed_mean(expression, position, n) -%}
    {#- The mean without var value_trimmed_share of the rows at each end, from each row's position by value, 1 for the least. -#}
    {%- set cut = 'floor(' ~ var('value_trimmed_share') ~ ' * ' ~ n ~ ')' -%}
    avg(case when {{ position }} > {{ cut }} and {{ position }} <= {{ n }} - {{ cut }} then {{ expression }} end)
{%- endmacro %}


{% macro share_of_top(expression, position, n, count) -%}
    {#- The share of a total that the rows with the largest values have, by each row's position by value, 1 for the least. -#}
    {{ ratio('sum(case when ' ~ position ~ ' > ' ~ n ~ ' - ' ~ count ~ ' then ' ~ expression ~ ' else 0e0 end)', 'sum(' ~ expression ~ ')') }}
{%- endmacro %}
