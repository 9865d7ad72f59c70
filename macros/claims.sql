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
        when claims.segment is not null and claims.compared_with <> 'rest' and other.segment_id is null and coalesce(questions.is_by_segment, true)
            then 'compared_with ' || claims.compared_with || ' is no segment of ' || claims.segmentation || ', no label and not rest'
        when claims.claim_type = 'explanation' then null
        when claims.read_as is null
            then 'read_as is empty; say in one sentence how the claim was made testable'
        when coalesce(claims.mart, claims.metric) is not null and questions.metric is null
            then 'there is no figure ' || coalesce(claims.metric, '(none)') || ' in a mart ' || coalesce(claims.mart, '(none)')
        when unknown_keys.unknown_key is not null
            then unknown_keys.unknown_key || ' is unknown here; look for a slip in writing'
        when claims.segment is not null and not questions.is_by_segment
            then claims.mart || '.' || claims.metric || ' is of all segments together; leave segment out'
        {% for key in claim_keys() -%}
        {% set expected = 'other_cell_key' if key in ('owned_product', 'band') else 'cell_key' -%}
        when questions.metric is not null and claims.{{ key }} is null and questions.{{ expected }} = '{{ key }}'
            then claims.mart || '.' || claims.metric || ' needs a {{ key }}'
        when questions.metric is not null and claims.{{ key }} is not null and coalesce(questions.{{ expected }}, '') <> '{{ key }}'
            then claims.mart || '.' || claims.metric || ' has no {{ key }}; leave it out or name another mart'
        {% endfor -%}
        {{ comparison_problem() }}
        when claims.figure_low > claims.figure_high
            then 'figure_low is larger than figure_high; change them over'
        when claims.tolerance < 0
            then 'tolerance is below 0; leave its sign out'
        when claims.claim_type = 'about' and (claims.figure is null or claims.tolerance is null)
            then 'about needs a figure and a tolerance'
        when claims.claim_type = 'within' and (claims.figure_low is null or claims.figure_high is null)
            then 'within needs figure_low and figure_high'
        when claims.claim_type = 'goes_with' and coalesce(claims.sign, '') not in ('+', '-')
            then 'goes_with needs the sign + or -'
        when claims.claim_type in ('goes_with', 'same_order') and not questions.is_difference
            then claims.claim_type || ' needs a figure that says how far things are apart, and ' || claims.metric || ' does not'
        when claims.claim_type = 'same_order' and questions.is_by_segment
            then 'same_order needs a figure of all segments together, and ' || claims.metric || ' is not'
    end
{%- endmacro %}


{% macro comparison_problem() -%}
    {#- What is wrong with what a claim compares; branches of claim_problem. -#}
    when claims.compared_with is not null and claims.claim_type not in ('more_than', 'less_than', 'no_difference')
            then claims.claim_type || ' takes no compared_with; leave it out'
        when claims.claim_type in ('more_than', 'less_than') and claims.compared_with is null
            then claims.claim_type || ' needs what it is compared_with'
        when questions.is_difference and questions.compared_with is not null and claims.compared_with <> questions.compared_with
            then claims.mart || '.' || claims.metric || ' is compared with ' || questions.compared_with || '; write that in compared_with'
        when questions.is_difference and questions.compared_with is null and claims.compared_with is not null
            then claims.metric || ' says by itself how far things are apart; leave compared_with out, and choose goes_with for more or less'
        when questions.is_difference and claims.claim_type in ('highest', 'lowest')
            then claims.claim_type || ' compares segments, and ' || claims.metric || ' of one is not compared with that of another'
        when claims.segment is null and not coalesce(questions.is_difference, false) and claims.claim_type in ('more_than', 'less_than', 'highest', 'lowest')
            then claims.claim_type || ' needs a segment'
        when claims.segment is null and not coalesce(questions.is_difference, false) and claims.compared_with is not null
            then 'compared_with ' || claims.compared_with || ' needs a segment; name one or leave compared_with out'
        when own.segment_id = other.segment_id
            then 'a segment cannot be compared with itself'
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
        {% set unread = run_query("select claim_id, blanked_columns from " ~ base ~ " where row_status <> 'broken' and blanked_columns is not null order by claim_id limit 1").rows %}
        {% if unread %}
            {{ exceptions.raise_compiler_error('claims, row ' ~ unread[0][0] ~ ': ' ~ unread[0][1] | replace('|', ', ') ~ ' cannot be read; mend it or leave it empty.') }}
        {% endif %}
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
    {#- One sentence or two in plain words: the figure and the catch. What keeps a verdict of its kind from counting
        is said after it. -#}
    {%- set figure = rounded_text('figure_found', 'unit') ~ ' || case when is_difference then ' ~ unit_words('unit', true)
        ~ ' else ' ~ unit_words('unit') ~ ' end' -%}
    {%- set around = "' (' || " ~ rounded_text('difference_low', 'unit') ~ " || ' to ' || " ~ rounded_text('difference_high', 'unit') ~ " || ')'" -%}
    {%- set around_turned = "' (' || " ~ rounded_text('-difference_high', 'unit') ~ " || ' to ' || " ~ rounded_text('-difference_low', 'unit') ~ " || ')'" -%}
    {%- set scale = "' on a scale from 0, not at all, to 1, always'" -%}
    {%- set found = range_in_words('difference_low', 'difference_high', 'unit') -%}
    {%- set gap = range_in_words('difference_low', 'difference_high', 'unit', true) -%}
    {%- set gap_turned = range_in_words('-difference_high', '-difference_low', 'unit', true) -%}
    {%- set widest = in_words('greatest(abs(difference_low), abs(difference_high))', 'unit', true) -%}
    case
        when claim_type = 'explanation' then 'An explanation, not a fact: nothing in the data can grade it, and it supports nothing.'
        when obstacle = 'no_data' then 'Nothing handed in answers this.'
        when obstacle = 'no_overlap' and claim_type in ('about', 'within') then 'Nobody in this group was counted for it.'
        when obstacle = 'no_overlap' then 'On one side nobody was counted, so there is nothing to compare with.'
        when obstacle = 'not_compared' then 'How far this figure may be off is not known, so it is compared with nothing.'
        when obstacle = 'small_cell' then 'Too few ' || entities || ' or events to say, or amounts too uneven for their number.'
        when obstacle = 'insufficient'
            then 'Too few ' || entities || ' to say' || coalesce('; about ' || {{ roughly('customers_needed') }} || ' would do', '') || '.'
        when obstacle = 'not_randomised'
            then 'Who was shown how much depended on who clicked; only showing it by lot for a while can tell.'
        when obstacle = 'constructed' then 'It rests on transactions that were made up from totals, one by one they say nothing.'
        when shares_a_part and is_true_here
            then {{ figure }} || ' is right, but one side of it is made from the other, so part of it is arithmetic and no finding.'
        when shares_a_part then 'One side of it is made from the other, so part of it is arithmetic and no finding; the figure found is ' || {{ figure }} || '.'
        when verdict = 'circular' and not is_about_segments
            then 'Customers were compared within groups that were formed from what is asked here, which alone can make a gap or hide one; '
                || 'the gap found is ' || {{ figure }} || '.'
        when verdict = 'circular' and is_true_here
            then {{ figure }} || ' is right, but it helped to form these groups, so it is no finding about them.'
        when verdict = 'circular' then 'What is said here helped to form these groups, so it is no finding about them; the figure found is ' || {{ figure }} || '.'
        when least_possible is not null
            then 'No fall by more than a quarter was seen up to ' || cast(cast(least_possible - 1 as bigint) as {{ text_type() }}) || ' impressions.'
        when claim_type in ('about', 'within')
            then 'Found: ' || {{ figure }} || ', and with its uncertainty ' || {{ found }} || '.'
        when claim_type = 'same_order' and verdict_by_type = 'supported'
            then 'No two change places between channels by more than ' || {{ widest }} || '.'
        when claim_type = 'same_order' and verdict_by_type = 'contradicted' then 'Some change places between channels, by ' || {{ gap }} || '.'
        when claim_type = 'same_order' then 'Some may change places between channels, by up to ' || {{ widest }} || '.'
        when unit = 'change' and difference_high < 0 then 'It falls by ' || {{ gap_turned }} || '.'
        when unit = 'change' and difference_low > 0 then 'It rises by ' || {{ gap }} || '.'
        when unit = 'change' and verdict_by_type = 'negligible' then 'It changes by no more than ' || {{ widest }} || '.'
        when unit = 'change' then 'The change could be anything from ' || {{ gap }} || '.'
        when unit = 'correlation' and verdict_by_type = 'negligible'
            then 'They hardly go together: at most ' || {{ widest }} || {{ scale }} || '.'
        when unit = 'correlation' and difference_low > 0
            then 'More of one goes with more of the other: ' || {{ in_words('difference', 'unit') }} || {{ around }} || {{ scale }} || '.'
        when unit = 'correlation' and difference_high < 0
            then 'More of one goes with less of the other: ' || {{ in_words('-difference', 'unit') }} || {{ around_turned }} || {{ scale }} || '.'
        when unit = 'correlation' then 'They may go together or against each other: anything from ' || {{ found }} || ', on a scale from -1 to 1.'
        when verdict_by_type = 'contradicted' and claim_type = 'no_difference'
            then case when is_difference or segment_id is not null then 'They' else 'Some' end || ' differ, by ' || case when difference < 0 then {{ gap_turned }} else {{ gap }} end || '.'
        when verdict_by_type = 'contradicted'
            then 'It is the other way round: the gap is ' || case when difference < 0 then {{ gap_turned }} else {{ gap }} end || '.'
        when verdict_by_type = 'negligible' then 'The gap is at most ' || {{ widest }} || ', too little to act on.'
        when verdict_by_type = 'supported' and claim_type = 'no_difference' and not is_difference and segment_id is null
            then 'No two differ by more than ' || {{ widest }} || '.'
        when verdict_by_type = 'supported' and claim_type = 'no_difference' then 'They differ by no more than ' || {{ widest }} || '.'
        when verdict_by_type = 'supported' and difference < 0
            then 'The gap is ' || {{ in_words('-difference', 'unit', true) }} || {{ around_turned }} || '.'
        when verdict_by_type = 'supported' then 'The gap is ' || {{ in_words('difference', 'unit', true) }} || {{ around }} || '.'
        else 'The gap could be anything from ' || {{ gap }} || '.'
    end
    || case
        when has_unknown_inputs and claim_type <> 'explanation'
            then ' Nobody said what these groups were made from, so a finding about them cannot be told from how they were made.'
        else ''
    end
{%- endmacro %}


{% macro verdict_change(earlier, now) -%}
    {#- What a verdict was and is, each with the interval it rested on. -#}
    {%- for row in [earlier, now] -%}
    {{ row }}.verdict_label
        || {{ "' as of ' || cast(" ~ earlier ~ ".as_of_on as " ~ text_type() ~ ")" if loop.first else "' now'" }}
        || coalesce(
            ' ('
            || case
                when {{ now }}.claim_type in ('about', 'within')
                    then {{ range_in_words(row ~ '.estimate_low', row ~ '.estimate_high', now ~ '.unit') }}
                else {{ range_in_words(row ~ '.estimate_low', row ~ '.estimate_high', now ~ '.unit', true) }}
            end
            || ')', ''
        )
        || coalesce(', of ' || {{ grouped_number(row ~ '.customer_count') }} || ' customers', '')
        || {{ "'; '" if not loop.last else "'.'" }}
    {{ '|| ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
