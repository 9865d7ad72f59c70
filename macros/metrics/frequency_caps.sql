{#- Expressions of the frequency-cap evidence: responses before and after so many impressions. -#}

{% macro customer_bucket(customer_id) -%}
    {#- One of 256 groups of customers, the same in every build. Sums over groups of independent customers
        have the variance of sums over the customers. Source: Wolter, Introduction to Variance Estimation,
        2nd ed., 2007, chapter 2 (random groups). -#}
    substr(md5({{ customer_id }}), 1, 2)
{%- endmacro %}


{% macro log_ratio_error(numerator, denominator, numerators_squared, denominators_squared, products) -%}
    {#- Standard error of ln(numerator / denominator), both sums over independent customers (delta method). -#}
    sqrt({{ not_negative(
        ratio(numerators_squared, numerator ~ ' * ' ~ numerator)
        ~ ' + ' ~ ratio(denominators_squared, denominator ~ ' * ' ~ denominator)
        ~ ' - 2 * ' ~ ratio(products, numerator ~ ' * ' ~ denominator)) }})
{%- endmacro %}


{#- A stratum splits at so many impressions: clicks_before and clicks_after, and the clicks expected by customers'
    affinity, expected_before and expected_after. Clicks after the split come `response` times as often. -#}

{% macro profile_likelihood(response) -%}
    {#- Log likelihood of the split of the clicks, given their sum. -#}
    (clicks_after * ln({{ response }}) - (clicks_before + clicks_after)
        * ln((expected_before + {{ response }} * expected_after) / nullif(expected_before + expected_after, 0)))
{%- endmacro %}


{% macro profile_information(response) -%}
    {#- Information on ln(response) in profile_likelihood: clicks times p (1 - p). -#}
    {%- set scale = '(expected_before + ' ~ response ~ ' * expected_after)' -%}
    ((clicks_before + clicks_after) * expected_before * {{ response }} * expected_after / nullif({{ square(scale) }}, 0))
{%- endmacro %}


{% macro weighted_after() -%}
    {#- Mantel-Haenszel: clicks after the split, by the share of the expected ones before it. -#}
    clicks_after * expected_before / expected
{%- endmacro %}


{% macro weighted_before() -%}
    clicks_before * expected_after / expected
{%- endmacro %}


{% macro is_precise(log_error) -%}
    coalesce({{ log_error }} < {{ var('cap_precision') }}, false)
{%- endmacro %}


{% macro is_flat(response, log_error) -%}
    {#- Precise, and surely above no_cap_response_above. -#}
    ({{ is_precise(log_error) }} and {{ response }} * exp(-{{ var('no_cap_standard_errors') }} * {{ log_error }}) > {{ var('no_cap_response_above') }})
{%- endmacro %}


{% macro is_fallen(response, log_error) -%}
    {#- Surely below cap_response_below. -#}
    {{ response }} * exp({{ var('cap_standard_errors') }} * {{ log_error }}) < {{ var('cap_response_below') }}
{%- endmacro %}


{% macro verdict_of(reading) -%}
    case {{ reading }} when 'weak' then 'insufficient' else {{ reading }} end
{%- endmacro %}


{% macro square(expression) -%}
    ({{ expression }} * {{ expression }})
{%- endmacro %}


{% macro log_low(estimate, log_error) -%}
    {{ estimate }} * exp(-{{ interval_z() }} * {{ log_error }})
{%- endmacro %}


{% macro log_high(estimate, log_error) -%}
    {{ estimate }} * exp({{ interval_z() }} * {{ log_error }})
{%- endmacro %}


{% macro margin_factor(log_error, limit) -%}
    {#- How many times the customers, so that three standard errors fit between 1 and the limit. -#}
    {{ square(ratio('3 * ' ~ log_error, 'ln(' ~ limit ~ ')')) }}
{%- endmacro %}


{% macro clicks_wanted_factor(expected_clicks) -%}
    {#- How many times the customers, where too few clicks came for a standard error: the variance of a log
        response is about response_dispersion over the clicks. -#}
    {{ ratio(var('response_dispersion'), square(var('cap_precision')) ~ ' * ' ~ expected_clicks) }}
{%- endmacro %}


{% macro precision_wanted_factor(response, log_error) -%}
    {#- How many times the customers, so that the standard error (falling with their root) meets cap_precision
        and tells the response from no_cap_response_above. -#}
    {%- set distance = 'abs(ln(' ~ response ~ ' / ' ~ var('no_cap_response_above') ~ ')) / ' ~ var('no_cap_standard_errors') -%}
    {%- set finest = var('cap_precision') / 4 -%}
    {{ square(ratio(log_error, 'least(' ~ var('cap_precision') ~ ', greatest(' ~ finest ~ ', ' ~ distance ~ '))')) }}
{%- endmacro %}


{% macro customers_needed() -%}
    {#- How many customers an insufficient verdict wants: the most that precision of the response, of delivery's odds
        and of the affinity ratio ask for; null where the verdict stands, or where nothing came to reckon from. -#}
    case
        when verdict = 'insufficient' and coalesce(log_error_at_reach, expected_clicks_after) > 0
            then cast(ceil(greatest(
                {{ var('small_cell_customers') }},
                customer_count,
                customer_count * coalesce(
                    {{ precision_wanted_factor('response_at_reach', 'log_error_at_reach') }},
                    {{ clicks_wanted_factor('expected_clicks_after') }}),
                customer_count * case
                    when delivery = 'unknown' then {{ margin_factor('odds_log_error', var('delivery_odds_limit')) }} else 1
                end,
                customer_count * case
                    when delivery <> 'independent' and affinity = 'unknown'
                        then {{ margin_factor('affinity_log_error', 1 + var('finer_affinity_limit')) }}
                    else 1
                end
            )) as bigint)
    end
{%- endmacro %}


{% macro comparison_in_words(comparison) -%}
    case {{ comparison }}
        when 'within_customers' then 'within the same customer, campaign and channel (Mantel-Haenszel), error by customer'
        else 'against the same customers in their other campaigns, error by customer'
    end
{%- endmacro %}


{% macro family_of_group(mart) -%}
    {#- Comparisons over all customers are a family of their own. -#}
    coalesce(customer_groups.segmentation, 'all customers') || ': {{ mart }}'
{%- endmacro %}
