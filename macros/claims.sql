{% macro claim_types() %}
    {{ return([
        'more_than', 'less_than', 'highest', 'lowest', 'about', 'within', 'no_difference', 'same_order', 'goes_with', 'explanation',
    ]) }}
{% endmacro %}


{% macro quoted_items(texts) %}
    {%- set items = [] -%}
    {%- for text in texts -%}{%- do items.append(quoted(text)) -%}{%- endfor -%}
    {{- items | join(', ') -}}
{% endmacro %}


{% macro stop_at_unknown_claims() %}
    {#- A claim that names something unknown is an error, not a verdict. -#}
    {% set base = ref('base_claims') %}
    {% if execute and not flags.EMPTY %}
        {% set unknown = run_query('select claim_id, problem from ' ~ this ~ ' where problem is not null order by claim_id limit 1').rows %}
        {% if unknown %}
            {{ exceptions.raise_compiler_error('claims, row ' ~ unknown[0][0] ~ ': ' ~ unknown[0][1] ~ '.') }}
        {% endif %}
        {% set twice = run_query("select claim_id from " ~ base ~ " where row_status <> 'broken' group by claim_id having count(*) > 1 and max(case when is_deleted then 1 else 0 end) = 0 order by claim_id limit 1").rows %}
        {% if twice %}
            {{ exceptions.raise_compiler_error('claims, row ' ~ twice[0][0] ~ ': the claim_id stands there twice; give each claim its own.') }}
        {% endif %}
        {% set broken = run_query("select source_row, broken_rules from " ~ base ~ " where row_status = 'broken' order by source_row limit 1").rows %}
        {% if broken %}
            {{ exceptions.raise_compiler_error('claims, row ' ~ broken[0][0] ~ ' of the file breaks ' ~ broken[0][1] | replace('|', ', ') ~ '; mend it or take it out.') }}
        {% endif %}
    {% endif %}
{% endmacro %}


{% macro claimable_metrics() %}
    {#- The metrics of dbt_project.yml, and the figures of the evidence marts. -#}
    {% set holdings = ['product_holdings.product', 'product_holdings.opened_on'] %}
    {% set amounts = ['transactions.amount', 'transactions.transaction_type'] %}
    {{ return(var('metrics') + [
        {'mart': 'segment_channel_purchase_association', 'metric': 'purchase_difference', 'unit': 'share',
         'raw_columns': ['campaign_engagements.clicks', 'product_holdings.opened_on']},
        {'mart': 'segment_product_purchase_association', 'metric': 'purchase_difference', 'unit': 'share', 'raw_columns': holdings},
        {'mart': 'segment_transactions', 'metric': 'count_total_rank_correlation', 'unit': 'number', 'raw_columns': amounts, 'needs_real_rows': true},
        {'mart': 'segment_transactions', 'metric': 'count_mean_rank_correlation', 'unit': 'number', 'raw_columns': amounts, 'needs_real_rows': true},
        {'mart': 'segment_transactions', 'metric': 'amount_per_transaction_cv', 'unit': 'number', 'raw_columns': amounts, 'needs_real_rows': true},
        {'mart': 'channel_order_agreement', 'metric': 'order', 'unit': 'number',
         'raw_columns': ['campaign_engagements.clicks', 'campaign_engagements.impressions']},
        {'mart': 'variation_shares', 'metric': 'share', 'unit': 'share',
         'raw_columns': ['campaign_engagements.clicks', 'campaign_engagements.impressions']},
        {'mart': 'segment_channel_impression_bands', 'metric': 'ctr', 'unit': 'share',
         'raw_columns': ['campaign_engagements.clicks', 'campaign_engagements.impressions']},
        {'mart': 'segment_channel_frequency_caps', 'metric': 'cap', 'unit': 'number',
         'raw_columns': ['campaign_engagements.clicks', 'campaign_engagements.impressions']},
    ] + profile_metrics()) }}
{% endmacro %}


{% macro profile_metrics() %}
    {#- The mean of any feature of a segmentation: an input by definition. -#}
    {% set metrics = [] %}
    {% for name, feature in var('features').items() %}
        {% do metrics.append({'mart': 'segment_profiles', 'metric': name, 'unit': 'number', 'raw_columns': feature.raw_columns}) %}
    {% endfor %}
    {{ return(metrics) }}
{% endmacro %}


{% macro feature_cell(name) %}
    {#- The one value of its raw column (a product, a transaction type) a feature is made from; none for all. -#}
    {% if name.startswith('holds:') %}{{ return(name.split(':', 1)[1]) }}{% endif %}
    {{ return(var('features').get(name, {}).get('cell')) }}
{% endmacro %}


{% macro null_safe_equal(left, right) -%}
    coalesce({{ left }}, '') = coalesce({{ right }}, '')
{%- endmacro %}


{% macro in_words(number, unit) -%}
    {#- A figure as people write it; the currency is a var. -#}
    case {{ unit }}
        when 'share' then cast(cast(round(100 * {{ number }}, 1) as decimal(18, 1)) as {{ text_type() }}) || ' %'
        when 'amount' then cast(cast(round({{ number }}, 0) as decimal(18, 0)) as {{ text_type() }}) || ' {{ var('currency') }}'
        else cast(cast(round({{ number }}, 2) as decimal(18, 2)) as {{ text_type() }})
    end
{%- endmacro %}


{% macro claim_verdict_by_type() -%}
    {%- set alpha = 1 - var('confidence_level') -%}
    case
        when claim_type in ('about', 'within')
            then case
                when difference_high < coalesce(figure_low, figure - tolerance) or difference_low > coalesce(figure_high, figure + tolerance)
                    then 'contradicted'
                when difference_low >= coalesce(figure_low, figure - tolerance) and difference_high <= coalesce(figure_high, figure + tolerance)
                    then 'supported'
                else 'unsupported'
            end
        when claim_type = 'no_difference'
            then case
                when difference_low > -smallest_difference and difference_high < smallest_difference then 'supported'
                when difference_low > smallest_difference or difference_high < -smallest_difference then 'contradicted'
                else 'unsupported'
            end
        when adjusted_p < {{ '%.4f' % alpha }} and direction * difference < 0 then 'contradicted'
        when difference_low > -smallest_difference and difference_high < smallest_difference then 'negligible'
        when adjusted_p < {{ '%.4f' % alpha }} and direction * difference > 0 then 'supported'
        else 'unsupported'
    end
{%- endmacro %}


{% macro verdict_label(verdict) -%}
    case {{ verdict }}
        when 'supported' then 'Holds'
        when 'contradicted' then 'The opposite holds'
        when 'negligible' then 'No difference that matters'
        when 'unsupported' then 'Not shown'
        when 'not_identifiable' then 'This data cannot tell'
        when 'circular' then 'True by construction'
    end
{%- endmacro %}


{% macro use_it(verdict) -%}
    case
        when {{ verdict }} = 'supported' then 'yes'
        when {{ verdict }} in ('unsupported', 'not_identifiable') then 'test first'
        when {{ verdict }} is not null then 'no'
    end
{%- endmacro %}


{% macro verdict_reason() -%}
    {#- One sentence or two in plain words: the figure and the catch. -#}
    {%- set figure = in_words('figure_found', 'unit') -%}
    {%- set gap = in_words('abs(difference)', 'unit') -%}
    {%- set between = in_words('difference_low', 'unit') ~ " || ' to ' || " ~ in_words('difference_high', 'unit') -%}
    case
        when claim_type = 'explanation' then 'An explanation, not a fact: nothing in the data can grade it, and it supports nothing.'
        when found_obstacle = 'no_data' then 'Nothing handed in answers this.'
        when found_obstacle = 'small_cell' then 'Too few customers or events to say, or amounts too uneven for their number.'
        when found_obstacle = 'constructed' then 'It rests on transactions that were made up from totals, one by one they say nothing.'
        when verdict = 'unsupported' and verdict_by_type = 'supported'
            then 'Nobody said what these groups were made from, so a finding about them cannot be told from how they were made.'
        when verdict = 'circular' and verdict_by_type = 'supported'
            then {{ figure }} || ' is right, but it helped to form these groups, so it is no finding about them.'
        when verdict = 'circular' then 'What is said here helped to form these groups, so it is no finding about them; the figure found is ' || {{ figure }} || '.'
        when claim_type in ('about', 'within')
            then 'Found: ' || {{ figure }} || ', and with its uncertainty ' || {{ between }} || '.'
        when verdict = 'contradicted' and claim_type = 'no_difference' then 'Some differ, by ' || {{ between }} || '.'
        when verdict = 'contradicted' then 'It is the other way round: the gap is ' || {{ between }} || '.'
        when verdict = 'negligible' then 'The gap is at most ' || {{ in_words('greatest(abs(difference_low), abs(difference_high))', 'unit') }} || ', too little to act on.'
        when verdict = 'supported' and claim_type = 'no_difference'
            then 'No two differ by more than ' || {{ in_words('greatest(abs(difference_low), abs(difference_high))', 'unit') }} || '.'
        when verdict = 'supported' and difference < 0
            then 'The gap is ' || {{ gap }} || ' (' || {{ in_words('-difference_high', 'unit') }} || ' to ' || {{ in_words('-difference_low', 'unit') }} || ').'
        when verdict = 'supported' then 'The gap is ' || {{ gap }} || ' (' || {{ between }} || ').'
        else 'The gap could be anything from ' || {{ between }} || '.'
    end
{%- endmacro %}
