{% macro power_z() -%}
    {#- The normal quantile of test_power. -#}
    {%- set quantiles = {0.8: 0.8416212335729143, 0.9: 1.2815515655446004} -%}
    {%- if var('test_power') not in quantiles -%}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, test_power: ' ~ var('test_power') ~ ' is none; allowed are ' ~ quantiles.keys() | join(', ') ~ '.') }}
    {%- endif -%}
    {{ quantiles[var('test_power')] }}
{%- endmacro %}


{% macro customers_per_arm(variance, changed_variance, difference) -%}
    {#- Customers in each of two equal groups at which a two-sided test finds the difference with test_power, from the
        variance of one customer in either group; null where nothing varies, since then nothing is known of it.
        Source: Lachin, Introduction to Sample Size Determination and Power Analysis for Clinical Trials, Controlled
        Clinical Trials 2, 1981, eq. 3. -#}
    {%- set quantiles = interval_z() ~ ' + ' ~ power_z() -%}
    cast(ceil(
        power({{ quantiles }}, 2) * (nullif({{ variance }}, 0) + {{ changed_variance }}) / nullif(power({{ difference }}, 2), 0)
    ) as bigint)
{%- endmacro %}
