{#- A cell is a group of customers with its sufficient statistics: customer_count, sum_y, sum_x, sum_yy, sum_xx,
    sum_xy. One kind of metric, one meaning:
    ratio       sum(y) / sum(x) over customers, with the delta method
    mean        sum(y) / customer_count
    proportion  sum(y) customers of customer_count -#}

{% macro cell_sums() %}{{ return(['customer_count', 'sum_y', 'sum_x', 'sum_yy', 'sum_xx', 'sum_xy']) }}{% endmacro %}


{% macro rolled_up(relation, over, keep, also_added=[]) -%}
    {#- Cells added up over a dimension whose values hold different customers. -#}
    {%- set shared = ['channel', 'product', 'transaction_type', 'touchpoint', 'month_starts_on'] -%}
    {%- for dimension in over if dimension in shared -%}
        {{ exceptions.raise_compiler_error(
            'Cells cannot be added up over ' ~ dimension ~ ': its values share customers, so the interval would be wrong. '
            ~ 'Use the mart that has the grain without it.') }}
    {%- endfor -%}
    select
        {%- for column in keep %}
        {{ column }},
        {%- endfor %}
        {%- for column in cell_sums() + also_added %}
        sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    group by {{ keep | join(', ') }}
{%- endmacro %}


{% macro cell_estimate(prefix='') -%}
    case {{ prefix }}kind
        when 'ratio' then {{ ratio(prefix ~ 'sum_y', prefix ~ 'sum_x') }}
        else {{ ratio(prefix ~ 'sum_y', prefix ~ 'customer_count') }}
    end
{%- endmacro %}


{% macro cell_standard_error(prefix='') -%}
    {%- set share = ratio(prefix ~ 'sum_y', prefix ~ 'customer_count') -%}
    case {{ prefix }}kind
        when 'ratio' then {{ ratio_standard_error(
            prefix ~ 'customer_count', prefix ~ 'sum_y', prefix ~ 'sum_x', prefix ~ 'sum_yy', prefix ~ 'sum_xx', prefix ~ 'sum_xy') }}
        when 'mean' then {{ mean_standard_error(prefix ~ 'customer_count', prefix ~ 'sum_y', prefix ~ 'sum_yy') }}
        else sqrt({{ share }} * (1 - {{ share }}) / nullif({{ prefix }}customer_count, 0))
    end
{%- endmacro %}


{% macro cell_low(estimate, error) -%}
    case kind
        when 'proportion' then {{ proportion_low('sum_y', 'customer_count') }}
        else {{ interval_low(estimate, error) }}
    end
{%- endmacro %}


{% macro cell_high(estimate, error) -%}
    case kind
        when 'proportion' then {{ proportion_high('sum_y', 'customer_count') }}
        else {{ interval_high(estimate, error) }}
    end
{%- endmacro %}
