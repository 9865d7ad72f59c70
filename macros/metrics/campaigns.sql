{#- What every campaign mart sums over customers, and the figures made from these sums. The marts differ in their keys
    alone: channels to a customer of the mart's key, customers to the key, figures from the key's sums. -#}

{% macro campaign_customer_sums() -%}
    {#- Over the channels of one customer in one campaign. Impressions and conversions of those not reached are null, so
        that they are counted in no denominator of the reached. -#}
    max(is_assigned) as is_assigned,
        max(is_holdout) as is_holdout,
        case when sum(impression_count) > 0 then sum(impression_count) end as impression_count,
        case when sum(impression_count) > 0 then sum(openable_impression_count) end as openable_impression_count,
        sum(open_count) as open_count,
        sum(click_count) as click_count,
        sum(openable_click_count) as openable_click_count,
        case when sum(impression_count) > 0 then sum(conversion_count) end as conversion_count,
        case when coalesce(sum(impression_count), 0) = 0 then sum(conversion_count) end as unreached_conversion_count,
        sum(revenue_amount) as revenue_amount,
        sum(cost_amount) as cost_amount,
        max(is_unsubscribed) as is_unsubscribed,
        max(has_closed_holding) as has_closed_holding,
        max(is_sent_without_consent) as is_sent_without_consent,
        max(is_sent_before_joining) as is_sent_before_joining
{%- endmacro %}


{% macro campaign_sums() -%}
    {#- Over rows of one customer each, holdouts among them; a key without any has one row of nulls. -#}
    {%- set converter_revenue = 'case when conversion_count > 0 then revenue_amount end' -%}
    {%- set conditions = {
        'assigned': 'is_assigned',
        'holdout': 'is_holdout',
        'both_arms': 'is_assigned and is_holdout',
        'unreached': is_unreached('is_assigned', 'impression_count'),
        'opener': 'open_count > 0',
        'clicking_opener': 'open_count > 0 and openable_click_count > 0',
        'clicker': 'click_count > 0',
        'converted_clicker': 'click_count > 0 and conversion_count > 0',
        'revenue': 'revenue_amount > 0',
        'unsubscribed': 'is_unsubscribed',
        'closing': 'has_closed_holding',
        'sent_without_consent': 'is_sent_without_consent',
        'sent_before_joining': 'is_sent_before_joining',
    } -%}
    {{ engagement_sums() }},
        {% for name, condition in conditions.items() -%}
        count(case when {{ condition }} then 1 end) as {{ name }}_customer_count,
        {% endfor -%}
        case
            when count(impression_count) = 0 or count(click_count) + count(open_count) > 0
                then count(case when click_count > 0 or open_count > 0 then 1 end)
        end as engaged_customer_count,
        {{ assigned_sum('unreached_conversion_count', 'bigint') }} as unreached_conversion_count,
        {{ assigned_sum('revenue_amount', 'decimal(38, 2)') }} as revenue_amount,
        {{ assigned_sum('case when coalesce(conversion_count, 0) = 0 then revenue_amount else 0 end', 'decimal(38, 2)') }}
            as unconverted_revenue_amount,
        {{ assigned_sum(converter_revenue, 'decimal(38, 2)') }} as converter_revenue_amount,
        cast(max(revenue_amount) as decimal(38, 2)) as largest_customer_revenue_amount,
        {{ assigned_sum('cost_amount', 'decimal(38, 2)') }} as cost_amount,
        {{ assigned_sum(product_of('revenue_amount', 'revenue_amount')) }} as revenue_squared,
        {{ assigned_sum(power_of('revenue_amount', 3)) }} as revenue_third_powers,
        {{ assigned_sum('sqrt(greatest(cast(revenue_amount as double), 0))') }} as revenue_roots,
        {{ assigned_sum(product_of(converter_revenue, converter_revenue)) }} as converter_revenue_squared,
        {{ assigned_sum(power_of(converter_revenue, 3)) }} as converter_revenue_third_powers,
        {{ assigned_sum(product_of('cost_amount', 'cost_amount')) }} as cost_squared,
        {{ assigned_sum(power_of('cost_amount', 3)) }} as cost_cubed,
        {{ assigned_sum(product_of('conversion_count', 'conversion_count')) }} as conversions_squared,
        {{ assigned_sum(power_of('conversion_count', 3)) }} as conversions_cubed,
        {% for name in ['impression', 'click', 'conversion'] -%}
        {%- set count = name ~ '_count' -%}
        {{ assigned_sum(product_of('cost_amount', count)) }} as cost_times_{{ name }}s,
        {{ assigned_sum(product_of(product_of('cost_amount', 'cost_amount'), count)) }} as cost_squared_times_{{ name }}s,
        {{ assigned_sum(product_of(product_of('cost_amount', count), count)) }} as cost_times_{{ name }}s_squared,
        {% endfor -%}
        {{ assigned_sum(product_of('revenue_amount', 'cost_amount')) }} as revenue_times_cost,
        {{ assigned_sum(product_of(product_of('revenue_amount', 'revenue_amount'), 'cost_amount')) }} as revenue_squared_times_cost,
        {{ assigned_sum(product_of(product_of('cost_amount', 'cost_amount'), 'revenue_amount')) }} as cost_squared_times_revenue
{%- endmacro %}


{% macro assigned_sum(expression, type='double') -%}
    {#- Null where nobody's value is known, 0 where nobody is assigned. -#}
    cast(case when count(case when is_assigned then 1 end) = 0 then 0 else sum({{ expression }}) end as {{ type }})
{%- endmacro %}


{% macro power_of(expression, exponent) -%}
    power(cast({{ expression }} as double), {{ exponent }})
{%- endmacro %}


{% macro campaign_moments() -%}
    {#- What the intervals but those of shares are made from, for a step of its own. -#}
    {{ engagement_moments() }},
        {{ mean_moments(
            'revenue_per_converted_customer', 'converted_customer_count', 'converter_revenue_amount',
            'converter_revenue_squared', 'converter_revenue_third_powers') }},
        {{ ratio_moments(
            'cost_per_mille', 'assigned_customer_count', '1e3 * cost_amount', 'impression_count',
            '1e6 * cost_squared', 'impressions_squared', '1e3 * cost_times_impressions', '1e9 * cost_cubed',
            '1e6 * cost_squared_times_impressions', '1e3 * cost_times_impressions_squared', 'impressions_cubed') }},
        {% for name in ['click', 'conversion'] -%}
        {{ ratio_moments(
            'cost_per_' ~ name, 'assigned_customer_count', 'cost_amount', name ~ '_count', 'cost_squared',
            name ~ 's_squared', 'cost_times_' ~ name ~ 's', 'cost_cubed', 'cost_squared_times_' ~ name ~ 's',
            'cost_times_' ~ name ~ 's_squared', name ~ 's_cubed') }},
        {% endfor -%}
        {{ ratio_moments(
            'roas', 'assigned_customer_count', 'revenue_amount', 'cost_amount', 'revenue_squared', 'cost_squared',
            'revenue_times_cost', 'revenue_third_powers', 'revenue_squared_times_cost', 'cost_squared_times_revenue',
            'cost_cubed') }}
{%- endmacro %}


{% macro campaign_rates() -%}
    {%- set proportions = {
        'reach_rate': ('reached_customer_count', 'assigned_customer_count'),
        'click_to_open_rate': ('clicking_opener_customer_count', 'opener_customer_count'),
        'engagement_rate': ('engaged_customer_count', 'reached_customer_count'),
        'conversion_per_clicker_rate': ('converted_clicker_customer_count', 'clicker_customer_count'),
        'unsubscribe_rate': ('unsubscribed_customer_count', 'reached_customer_count'),
        'closing_rate': ('closing_customer_count', 'reached_customer_count'),
        'sent_without_consent_rate': ('sent_without_consent_customer_count', 'reached_customer_count'),
    } -%}
    {{ engagement_rates() }},
        {% for name, (successes, n) in proportions.items() -%}
        {{ ratio(successes, n) }} as {{ name }},
        {{ proportion_low(successes, n) }} as {{ name }}_low,
        {{ proportion_high(successes, n) }} as {{ name }}_high,
        {% endfor -%}
        {% for name, minimum in {
            'revenue_per_converted_customer': none, 'cost_per_mille': 0, 'cost_per_click': 0, 'cost_per_conversion': 0, 'roas': none,
        }.items() -%}
        {{ interval_of_moments(name, minimum) }},
        {% endfor -%}
        case when revenue_amount > 0 then {{ ratio('largest_customer_revenue_amount', 'revenue_amount') }} end
            as largest_customer_revenue_share,
        {{ is_too_uneven(
            'revenue_customer_count', 'revenue_amount', 'revenue_roots',
            mean_third_cumulant('assigned_customer_count', 'revenue_amount', 'revenue_squared', 'revenue_third_powers'),
            mean_standard_error('assigned_customer_count', 'revenue_amount', 'revenue_squared')) }} as is_revenue_too_uneven
{%- endmacro %}


{% macro campaign_conclusions() -%}
    {#- What follows from the figures: revenue over cost less 1, and why a figure is null. -#}
    roas - 1 as roi,
        roas_low - 1 as roi_low,
        roas_high - 1 as roi_high,
        {{ names_where({
            'nobody_assigned': 'assigned_customer_count = 0',
            'nobody_reached': 'reached_customer_count = 0',
            'no_channel_with_opens': 'openable_impression_count = 0',
            'nobody_opened': 'opener_customer_count = 0',
            'no_clicks': 'click_count = 0',
            'no_conversions': 'conversion_count = 0',
            'no_revenue': 'revenue_amount <= 0',
            'no_cost': 'cost_amount = 0',
            'unknown_opens': 'open_count is null and openable_impression_count > 0',
            'unknown_clicks': 'click_count is null',
            'unknown_conversions': 'conversion_count is null',
            'unknown_revenue': 'revenue_amount is null',
            'unknown_cost': 'cost_amount is null',
        }) }} as null_reasons
{%- endmacro %}
