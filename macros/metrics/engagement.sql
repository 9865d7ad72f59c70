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
        {{ cell_sum(ratio('click_count', 'impression_count')) }} as customer_ctr_sum,
        {{ cell_sum(product_of(ratio('click_count', 'impression_count'), ratio('click_count', 'impression_count'))) }}
            as customer_ctr_squared
{%- endmacro %}


{% macro cell_sum(expression, type='double') -%}
    cast(case when count(impression_count) = 0 then 0 else sum({{ expression }}) end as {{ type }})
{%- endmacro %}


{% macro product_of(left, right) -%}
    cast({{ left }} as double) * {{ right }}
{%- endmacro %}


{% macro engagement_rates() -%}
    {%- set ctr_error = ratio_standard_error(
        'reached_customer_count', 'click_count', 'impression_count',
        'clicks_squared', 'impressions_squared', 'clicks_times_impressions') -%}
    {%- set mean_error = mean_standard_error('reached_customer_count', 'customer_ctr_sum', 'customer_ctr_squared') -%}
    {%- set open_error = ratio_standard_error(
        'openable_customer_count', 'open_count', 'openable_impression_count',
        'opens_squared', 'openable_impressions_squared', 'opens_times_openable_impressions') -%}
    {%- set ctr = ratio('click_count', 'impression_count') -%}
    {%- set mean_ctr = ratio('customer_ctr_sum', 'reached_customer_count') -%}
    {%- set open_rate = ratio('open_count', 'openable_impression_count') -%}
    {{ ctr }} as ctr,
        {{ interval_low(ctr, ctr_error, 0) }} as ctr_low,
        {{ interval_high(ctr, ctr_error, 1) }} as ctr_high,
        {{ mean_ctr }} as mean_customer_ctr,
        {{ interval_low(mean_ctr, mean_error, 0) }} as mean_customer_ctr_low,
        {{ interval_high(mean_ctr, mean_error, 1) }} as mean_customer_ctr_high,
        {{ open_rate }} as open_rate,
        {{ interval_low(open_rate, open_error, 0) }} as open_rate_low,
        {{ interval_high(open_rate, open_error, 1) }} as open_rate_high,
        {{ ratio('converted_customer_count', 'reached_customer_count') }} as conversion_rate,
        {{ proportion_low('converted_customer_count', 'reached_customer_count') }} as conversion_rate_low,
        {{ proportion_high('converted_customer_count', 'reached_customer_count') }} as conversion_rate_high,
        {{ is_small_cell('reached_customer_count', 'click_count') }} as is_small_cell
{%- endmacro %}

