{% macro stop_at_strategy_problems() %}
    {#- A strategy that names something unknown is an error, not a recommendation. -#}
    {% if execute and not flags.EMPTY %}
        {% set problems = run_query('select seed, strategy_id, problem from ' ~ this ~ ' order by seed, strategy_id, problem limit 1').rows %}
        {% if problems %}
            {{ exceptions.raise_compiler_error('seeds/' ~ problems[0][0] ~ '.csv, row ' ~ problems[0][1] ~ ': ' ~ problems[0][2] ~ '.') }}
        {% endif %}
    {% endif %}
{% endmacro %}


{% macro strategy_status(claims, supported, contradicted) -%}
    case
        when {{ contradicted }} > 0 then 'do_not'
        when {{ supported }} = {{ claims }} then 'backed'
        else 'test_first'
    end
{%- endmacro %}


{% macro strategy_reason() -%}
    case status
        when 'backed' then 'Everything it rests on holds.'
        when 'do_not' then 'It rests on "' || contradicted_sentence || '", and the opposite holds.'
        else
            case when supported_claim_count > 0 then 'Not everything' else 'Nothing' end
            || ' it rests on is shown to hold: ' || verdict_labels || '.'
            || case when baseline is null then ' Nothing handed in holds the figure to watch.' else '' end
    end
{%- endmacro %}


{% macro strategy_outcome(strategies, margin_rate) -%}
    {#- The outcome of campaign_effects that says what moves the figure to watch; null where none does. The share who buy a
        product is its conversions. The amount per customer of a transaction type is revenue over its margin, and only
        where no other type counts as a purchase: else the effect is on their sum. -#}
    case
        when {{ strategies }}.kpi_mart = 'segment_product_ownership' and {{ strategies }}.kpi_metric = 'purchase_rate'
            then 'conversion'
        when {{ strategies }}.kpi_metric = 'amount_per_customer' and {{ margin_rate }} is not null
            and {{ var('purchase_transaction_types') | length }} = 1
            then 'revenue'
    end
{%- endmacro %}
