{% macro worth_in_words() -%}
    {#- The line that people read, from the columns of segmentation_value_gains. -#}
    case when gains.is_all_campaigns then 'This' else 'In campaign ' || gains.campaign_id || ' this' end
        || case
            when gains.gain_low is null
                then ' segmentation was worth nothing that could be shown: in every split the same action came out best for all segments.'
            else ' segmentation is worth ' || {{ worth_figure('gains.gain') }}
                || ' (' || {{ worth_figure('gains.gain_low') }} || ' to ' || {{ worth_figure('gains.gain_high') }} || ')'
                || case gains.outcome when 'conversion' then ' conversions' else ' {{ var('currency') }}' end || ' per customer'
                || case when gains.is_all_campaigns then ' and campaign.' else '.' end
        end
{%- endmacro %}


{% macro worth_figure(number) -%}
    {#- Four decimals: conversions per customer are parts of a per cent, margins per customer parts of a cent. -#}
    cast(cast(round({{ number }}, 4) as decimal(18, 4)) as {{ text_type() }})
{%- endmacro %}
