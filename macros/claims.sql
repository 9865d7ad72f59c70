{% macro claim_types() %}
    {{ return([
        'more_than', 'less_than', 'highest', 'lowest', 'about', 'within', 'no_difference', 'same_order', 'goes_with', 'explanation',
    ]) }}
{% endmacro %}


{% macro claim_keys() %}
    {#- The columns of a claim that choose a row of its mart. -#}
    {{ return(['channel', 'product', 'owned_product', 'transaction_type', 'touchpoint', 'band']) }}
{% endmacro %}


{% macro claim_problem() -%}
    {#- What is wrong with a claim, as the end of a sentence; null where nothing is. -#}
    case
        when segmentations.segmentation is null
            then 'segmentation ' || claims.segmentation || ' does not run on this source'
        when claims.claim_type not in ({{ quoted_items(claim_types()) }})
            then 'claim_type ' || claims.claim_type || ' is none of {{ claim_types() | join(', ') }}'
        when claims.segment is not null and own.segment_id is null
            then 'segment ' || claims.segment || ' is no segment of ' || claims.segmentation || ' and no label'
        when claims.segment is not null and claims.compared_with <> 'rest' and other.segment_id is null
            then 'compared_with ' || claims.compared_with || ' is no segment of ' || claims.segmentation || ', no label and not rest'
        when claims.claim_type = 'explanation' then null
        when coalesce(claims.mart, claims.metric) is not null and questions.metric is null
            then 'there is no figure ' || coalesce(claims.metric, '(none)') || ' in a mart ' || coalesce(claims.mart, '(none)')
        when unknown_keys.unknown_key is not null
            then unknown_keys.unknown_key || ' is unknown here; look for a slip in writing'
        {% for key in claim_keys() -%}
        {% set expected = 'other_cell_key' if key in ('owned_product', 'band') else 'cell_key' -%}
        when questions.metric is not null and claims.{{ key }} is null and questions.{{ expected }} = '{{ key }}'
            then claims.mart || '.' || claims.metric || ' needs a {{ key }}'
        {% if key != 'band' -%}
        when questions.metric is not null and claims.{{ key }} is not null and coalesce(questions.{{ expected }}, '') <> '{{ key }}'
            then claims.mart || '.' || claims.metric || ' has no {{ key }}; leave it out or name another mart'
        {% endif -%}
        {% endfor -%}
        when claims.claim_type in ('more_than', 'less_than') and claims.compared_with is null
            then claims.claim_type || ' needs what it is compared_with'
        when claims.claim_type in ('more_than', 'less_than') and claims.segment is null and not coalesce(questions.is_difference, false)
            then claims.claim_type || ' needs a segment'
        when own.segment_id = other.segment_id
            then 'a segment cannot be compared with itself'
        when claims.figure_low > claims.figure_high or claims.tolerance < 0
            then 'the band is upside down'
        when claims.claim_type in ('highest', 'lowest') and claims.segment is null
            then claims.claim_type || ' needs a segment'
        when claims.claim_type = 'about' and (claims.figure is null or claims.tolerance is null)
            then 'about needs a figure and a tolerance'
        when claims.claim_type = 'within' and (claims.figure_low is null or claims.figure_high is null)
            then 'within needs figure_low and figure_high'
        when claims.claim_type = 'goes_with' and coalesce(claims.sign, '') not in ('+', '-')
            then 'goes_with needs the sign + or -'
        when claims.claim_type in ('goes_with', 'same_order') and not questions.is_difference
            then claims.claim_type || ' needs a figure that says how far things are apart, and ' || claims.metric || ' does not'
    end
{%- endmacro %}


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
    {#- Everything a claim can name: metrics, figures of the evidence marts, and means of features. -#}
    {{ return(var('metrics') + var('evidence_figures') + profile_metrics()) }}
{% endmacro %}


{% macro profile_metrics() %}
    {#- The mean of any feature of a segmentation: an input by definition. -#}
    {% set metrics = [] %}
    {% for name, feature in var('features').items() %}
        {% do metrics.append({'mart': 'segment_profiles', 'metric': name, 'kind': 'mean', 'unit': 'number', 'raw_columns': feature.raw_columns}) %}
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


{% macro rounded_text(number, unit) -%}
    {#- A figure as people write it, without its unit. -#}
    case
        when {{ unit }} in ('share', 'change') then cast(cast(round(100 * {{ number }}, 1) as decimal(18, 1)) as {{ text_type() }})
        when {{ unit }} = 'amount' then {{ grouped_number('round(' ~ number ~ ', 0)') }}
        else cast(cast(round({{ number }}, 2) as decimal(18, 2)) as {{ text_type() }})
    end
{%- endmacro %}


{% macro roughly(count) -%}
    {#- A count to two leading figures: what is only an order of magnitude should not look exact. -#}
    {%- set power = 'power(10, greatest(0, floor(log10(' ~ count ~ ')) - 1))' -%}
    {{ grouped_number('round(' ~ count ~ ' / ' ~ power ~ ') * ' ~ power) }}
{%- endmacro %}


{% macro unit_words(unit, is_gap=false) -%}
    {#- What follows a number: between two shares there are percentage points. The currency is a var. -#}
    case {{ unit }}
        when 'share' then '{{ ' percentage points' if is_gap else ' %' }}'
        when 'change' then ' %'
        when 'amount' then ' {{ var('currency') }}'
        else ''
    end
{%- endmacro %}


{% macro in_words(number, unit, is_gap=false) -%}
    {{ rounded_text(number, unit) }} || {{ unit_words(unit, is_gap) }}
{%- endmacro %}


{% macro range_in_words(low, high, unit, is_gap=false) -%}
    {{ rounded_text(low, unit) }} || ' to ' || {{ in_words(high, unit, is_gap) }}
{%- endmacro %}


{% macro is_true_here() -%}
    {#- Whether a claim is true of these very customers, whatever it says of others like them. -#}
    case
        when claim_type in ('about', 'within')
            then figure_found between coalesce(figure_low, figure - tolerance) and coalesce(figure_high, figure + tolerance)
        else verdict_by_type = 'supported'
    end
{%- endmacro %}


{% macro claim_verdict_by_type() -%}
    {#- The rules of a claim's kind, on difference and its interval; a figure known only to be at least
        `least_possible` can contradict a band below it and support none. -#}
    {%- set alpha = '%.4f' % (1 - var('confidence_level')) -%}
    {%- set band_low = 'coalesce(figure_low, figure - tolerance)' -%}
    {%- set band_high = 'coalesce(figure_high, figure + tolerance)' -%}
    case
        when least_possible is not null
            then case when least_possible > {{ band_high }} then 'contradicted' else 'unsupported' end
        when claim_type in ('about', 'within')
            then case
                when difference_high < {{ band_low }} or difference_low > {{ band_high }} then 'contradicted'
                when difference_low >= {{ band_low }} and difference_high <= {{ band_high }} then 'supported'
                else 'unsupported'
            end
        when claim_type in ('no_difference', 'same_order')
            then case
                when difference_low > -smallest_difference and difference_high < smallest_difference then 'supported'
                when difference_low > smallest_difference or difference_high < -smallest_difference then 'contradicted'
                else 'unsupported'
            end
        when adjusted_p < {{ alpha }} and direction * difference < 0 then 'contradicted'
        when difference_low > -smallest_difference and difference_high < smallest_difference then 'negligible'
        when adjusted_p < {{ alpha }} and direction * difference > 0 then 'supported'
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
    {%- set figure = rounded_text('figure_found', 'unit') ~ ' || case when is_difference then ' ~ unit_words('unit', true)
        ~ ' else ' ~ unit_words('unit') ~ ' end' -%}
    {%- set around = "' (' || " ~ rounded_text('difference_low', 'unit') ~ " || ' to ' || " ~ rounded_text('difference_high', 'unit') ~ " || ').'" -%}
    {%- set around_turned = "' (' || " ~ rounded_text('-difference_high', 'unit') ~ " || ' to ' || " ~ rounded_text('-difference_low', 'unit') ~ " || ').'" -%}
    {%- set found = range_in_words('difference_low', 'difference_high', 'unit') -%}
    {%- set gap = range_in_words('difference_low', 'difference_high', 'unit', true) -%}
    {%- set gap_turned = range_in_words('-difference_high', '-difference_low', 'unit', true) -%}
    {%- set widest = in_words('greatest(abs(difference_low), abs(difference_high))', 'unit', true) -%}
    case
        when claim_type = 'explanation' then 'An explanation, not a fact: nothing in the data can grade it, and it supports nothing.'
        when obstacle = 'no_data' then 'Nothing handed in answers this.'
        when obstacle = 'not_compared' then 'How far this figure may be off is not known, so it is compared with nothing.'
        when obstacle = 'small_cell' then 'Too few customers or events to say, or amounts too uneven for their number.'
        when obstacle = 'insufficient'
            then 'Too few customers to say' || coalesce('; about ' || {{ roughly('customers_needed') }} || ' would do', '') || '.'
        when obstacle = 'not_randomised'
            then 'Who was shown how much depended on who clicked; only showing it by lot for a while can tell.'
        when obstacle = 'constructed' then 'It rests on transactions that were made up from totals, one by one they say nothing.'
        when verdict = 'unsupported' and verdict_by_type = 'supported'
            then 'Nobody said what these groups were made from, so a finding about them cannot be told from how they were made.'
        when verdict = 'circular' and is_true_here
            then {{ figure }} || ' is right, but it helped to form these groups, so it is no finding about them.'
        when verdict = 'circular' then 'What is said here helped to form these groups, so it is no finding about them; the figure found is ' || {{ figure }} || '.'
        when least_possible is not null
            then 'No fall by more than a quarter was seen up to ' || cast(cast(least_possible - 1 as bigint) as {{ text_type() }}) || ' impressions.'
        when claim_type in ('about', 'within')
            then 'Found: ' || {{ figure }} || ', and with its uncertainty ' || {{ found }} || '.'
        when claim_type = 'same_order' and verdict = 'supported'
            then 'No two change places between channels by more than ' || {{ widest }} || '.'
        when claim_type = 'same_order' and verdict = 'contradicted' then 'Some change places between channels, by ' || {{ gap }} || '.'
        when claim_type = 'same_order' then 'Some may change places between channels, by up to ' || {{ widest }} || '.'
        when unit = 'change' and difference_high < 0 then 'It falls by ' || {{ gap_turned }} || '.'
        when unit = 'change' and difference_low > 0 then 'It rises by ' || {{ gap }} || '.'
        when unit = 'change' and verdict = 'negligible' then 'It changes by no more than ' || {{ widest }} || '.'
        when unit = 'change' then 'The change could be anything from ' || {{ gap }} || '.'
        when verdict = 'contradicted' and claim_type = 'no_difference'
            then 'Some differ, by ' || case when difference < 0 then {{ gap_turned }} else {{ gap }} end || '.'
        when verdict = 'contradicted'
            then 'It is the other way round: the gap is ' || case when difference < 0 then {{ gap_turned }} else {{ gap }} end || '.'
        when verdict = 'negligible' then 'The gap is at most ' || {{ widest }} || ', too little to act on.'
        when verdict = 'supported' and claim_type = 'no_difference' then 'No two differ by more than ' || {{ widest }} || '.'
        when verdict = 'supported' and difference < 0
            then 'The gap is ' || {{ in_words('-difference', 'unit', true) }} || {{ around_turned }}
        when verdict = 'supported' then 'The gap is ' || {{ in_words('difference', 'unit', true) }} || {{ around }}
        else 'The gap could be anything from ' || {{ gap }} || '.'
    end
{%- endmacro %}
