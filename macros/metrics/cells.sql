{#- A cell is a group of customers with its sufficient statistics: customer_count, and sums up to the third power. One
    kind of metric, one meaning:
    ratio       sum(y) / sum(x) over customers, with the delta method
    mean        sum(y) / customer_count
    proportion  sum(y) customers of customer_count -#}

{% macro cell_powers() %}{{ return(['y', 'x', 'yy', 'xx', 'xy', 'yyy', 'yyx', 'yxx', 'xxx', 'root_y']) }}{% endmacro %}


{% macro cell_sums() %}
    {#- carrier_count: the customers that an amount comes from, where the figure is one. -#}
    {% set sums = ['customer_count', 'carrier_count'] %}
    {% for power in cell_powers() %}{% do sums.append('sum_' ~ power) %}{% endfor %}
    {{ return(sums) }}
{% endmacro %}


{% macro metric_sums(metric) -%}
    {#- The columns of a cell, from those that a metric of var metrics names. -#}
    '{{ metric.metric }}' as metric,
        '{{ metric.kind }}' as kind,
        {{ metric.customers }} as customer_count,
        cast({{ metric.get('carriers', 'null') }} as bigint) as carrier_count,
        {%- for power in cell_powers() %}
        cast({{ metric.get(power, 'null') }} as double) as sum_{{ power }},
        {%- endfor %}
        cast({{ metric.events }} as bigint) as event_count
{%- endmacro %}


{% macro with_rests(relation, keys) -%}
    {#- Cells, and beside each the rest of the customers of its segmentation: everybody less its own. -#}
    {%- for group_type in ['segment', 'rest'] %}
    select
        {{ keys | join(', ') }},
        segment_id,
        metric,
        kind,
        {%- for sum in cell_sums() + ['event_count'] %}
        {% if group_type == 'rest' %}sum({{ sum }}) over (partition by {{ keys | join(', ') }}, metric) - {% endif %}{{ sum }} as {{ sum }},
        {%- endfor %}
        '{{ group_type }}' as group_type
    from {{ relation }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
{%- endmacro %}


{% macro cell_figures() -%}
    {#- What intervals and differences of cells are made from, beside the cells' own columns. -#}
    {{ cell_estimate() }} as estimate,
        {{ cell_standard_error() }} as standard_error,
        {{ cell_third_cumulant() }} as third_cumulant,
        {{ cell_error_covariance() }} as error_covariance
{%- endmacro %}


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


{% macro cell_third_cumulant() -%}
    case kind
        when 'ratio' then {{ ratio_third_cumulant('sum_y', 'sum_x', 'sum_yyy', 'sum_yyx', 'sum_yxx', 'sum_xxx') }}
        when 'mean' then {{ mean_third_cumulant('customer_count', 'sum_y', 'sum_yy', 'sum_yyy') }}
    end
{%- endmacro %}


{% macro cell_error_covariance() -%}
    case kind
        when 'ratio' then {{ ratio_error_covariance('sum_y', 'sum_x', 'sum_yy', 'sum_xx', 'sum_xy') }}
        when 'mean' then 0e0
    end
{%- endmacro %}


{% macro cell_low() -%}
    case kind
        when 'proportion' then {{ proportion_low('sum_y', 'customer_count') }}
        else {{ skewed_low('estimate', 'standard_error', 'third_cumulant', 'error_covariance') }}
    end
{%- endmacro %}


{% macro cell_high() -%}
    case kind
        when 'proportion' then {{ proportion_high('sum_y', 'customer_count') }}
        else {{ skewed_high('estimate', 'standard_error', 'third_cumulant', 'error_covariance') }}
    end
{%- endmacro %}


{% macro is_cell_without_verdict() -%}
    ({{ is_small_cell('customer_count', 'event_count') }}
        or {{ rests_on_few('sum_y', 'sum_yy') }}
        or {{ is_too_uneven('carrier_count', 'sum_y', 'sum_root_y', 'third_cumulant', 'standard_error') }})
{%- endmacro %}
