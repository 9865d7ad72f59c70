{#- What every engagement mart sums over customers, and the rates made from these sums. -#}

{% macro engagement_sums() -%}
    {#- Over rows of one customer each, all of them reached (a cell without any has one row of nulls):
        impressions, openable impressions, opens, clicks, conversions, and the squares and products that the
        intervals need. Opens and clicks stay null where no file says them. -#}
    count(impression_count) as reached_customer_count,
        {{ cell_sum('impression_count', 'bigint') }} as impression_count,
        {{ cell_sum('openable_impression_count', 'bigint') }} as openable_impression_count,
        {{ cell_sum('open_count', 'bigint') }} as open_count,
        {{ cell_sum('click_count', 'bigint') }} as click_count,
        {{ cell_sum('conversion_count', 'bigint') }} as conversion_count,
        count(case when openable_impression_count > 0 then 1 end) as openable_customer_count,
        count(case when conversion_count > 0 then 1 end) as converted_customer_count,
        {{ cell_sum(product_of('impression_count', 'impression_count')) }} as impressions_squared,
        {{ cell_sum(product_of('openable_impression_count', 'openable_impression_count')) }} as openable_impressions_squared,
        {{ cell_sum(product_of('open_count', 'open_count')) }} as opens_squared,
        {{ cell_sum(product_of('click_count', 'click_count')) }} as clicks_squared,
        {{ cell_sum(product_of('click_count', 'impression_count')) }} as clicks_times_impressions,
        {{ cell_sum(product_of('open_count', 'openable_impression_count')) }} as opens_times_openable_impressions,
        {% for y, x in [('clicks', 'impressions'), ('opens', 'openable_impressions')] -%}
        {%- set counts = {'clicks': 'click_count', 'impressions': 'impression_count', 'opens': 'open_count',
            'openable_impressions': 'openable_impression_count'} -%}
        {{ cell_sum(product_of(product_of(counts[y], counts[y]), counts[y])) }} as {{ y }}_cubed,
        {{ cell_sum(product_of(product_of(counts[y], counts[y]), counts[x])) }} as {{ y }}_squared_times_{{ x }},
        {{ cell_sum(product_of(product_of(counts[y], counts[x]), counts[x])) }} as {{ y }}_times_{{ x }}_squared,
        {{ cell_sum(product_of(product_of(counts[x], counts[x]), counts[x])) }} as {{ x }}_cubed,
        {% endfor -%}
        {{ cell_sum(ratio('click_count', 'impression_count')) }} as customer_ctr_sum,
        {{ cell_sum(product_of(ratio('click_count', 'impression_count'), ratio('click_count', 'impression_count'))) }}
            as customer_ctr_squared,
        {{ cell_sum('power(' ~ ratio('click_count', 'impression_count') ~ ', 3)') }} as customer_ctr_cubed
{%- endmacro %}


{% macro cell_sum(expression, type='double') -%}
    cast(case when count(impression_count) = 0 then 0 else sum({{ expression }}) end as {{ type }})
{%- endmacro %}


{% macro product_of(left, right) -%}
    cast({{ left }} as double) * {{ right }}
{%- endmacro %}


{% macro engagement_moments() -%}
    {{ ratio_moments(
            'ctr', 'reached_customer_count', 'click_count', 'impression_count',
            'clicks_squared', 'impressions_squared', 'clicks_times_impressions', 'clicks_cubed',
            'clicks_squared_times_impressions', 'clicks_times_impressions_squared', 'impressions_cubed') }},
        {{ mean_moments(
            'mean_customer_ctr', 'reached_customer_count', 'customer_ctr_sum', 'customer_ctr_squared', 'customer_ctr_cubed') }},
        {{ ratio_moments(
            'open_rate', 'openable_customer_count', 'open_count', 'openable_impression_count',
            'opens_squared', 'openable_impressions_squared', 'opens_times_openable_impressions', 'opens_cubed',
            'opens_squared_times_openable_impressions', 'opens_times_openable_impressions_squared',
            'openable_impressions_cubed') }}
{%- endmacro %}


{% macro engagement_rates() -%}
    {#- From the moments beside them. -#}
    {% for name in ['ctr', 'mean_customer_ctr', 'open_rate'] -%}
    {{ interval_of_moments(name, 0, 1) }},
        {% endfor -%}
    {{ ratio('converted_customer_count', 'reached_customer_count') }} as conversion_rate,
        {{ proportion_low('converted_customer_count', 'reached_customer_count') }} as conversion_rate_low,
        {{ proportion_high('converted_customer_count', 'reached_customer_count') }} as conversion_rate_high,
        {{ is_small_cell('reached_customer_count', 'click_count') }} as is_small_cell
{%- endmacro %}
