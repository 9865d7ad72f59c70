{% macro is_held_before(holdings, day) -%}
    {#- Opened before the day, and not closed before it. -#}
    ({{ holdings }}.opened_on < {{ day }} and coalesce({{ holdings }}.closed_on >= {{ day }}, true))
{%- endmacro %}


{% macro sample_ratio_p(holdouts, customers, share) -%}
    {#- Two-sided p of a split at the planned share (Pearson's chi-squared of one degree of freedom). Source: Fabijan
        et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD 2019. -#}
    {{ two_sided_p('(' ~ holdouts ~ ' - ' ~ customers ~ ' * ' ~ share ~ ') / nullif(sqrt(' ~ customers ~ ' * '
        ~ share ~ ' * (1 - ' ~ share ~ ')), 0)') }}
{%- endmacro %}


{% macro campaign_status() -%}
    {#- Why no effect of a campaign can be told at all, or measured; the first reason counts. -#}
    case
        when not has_two_arms then 'one_arm'
        when planned_holdout_share is null then 'unplanned_holdout'
        when coalesce(sample_ratio_p, 0) < {{ var('sample_ratio_level') }} then 'invalid_assignment'
        when not is_window_over then 'window_open'
        else 'measured'
    end
{%- endmacro %}


{% macro outcome_status() -%}
    {#- Why an outcome of a campaign cannot be told, or measured. A file need not have a row on every day, so it covers the
        window when it starts and ends within var record_gap_days of it. -#}
    case
        when campaign_status <> 'measured' then campaign_status
        when outcome = 'conversion' and product is null then 'no_product'
        when record_ends_on is null then case outcome when 'conversion' then 'no_holdings' else 'no_transactions' end
        when record_starts_on > {{ dbt.dateadd('day', var('record_gap_days'), 'starts_on') }}
            or record_ends_on < {{ dbt.dateadd('day', -var('record_gap_days'), 'window_ends_on') }}
            then 'short_record'
        else 'measured'
    end
{%- endmacro %}


{% macro effect_reason() -%}
    case effect_status
        when 'measured' then 'Treated and held-out customers were split as planned.'
        when 'one_arm' then 'One of the two groups has fewer than two customers, so there is nothing to compare.'
        when 'unplanned_holdout' then 'No share to hold out was planned, so whether the split came by lot cannot be checked; hand in planned_holdout_share.'
        when 'invalid_assignment' then 'The split between the groups is not the planned one; find out who is missing before comparing them.'
        when 'window_open' then 'The days in which outcomes count are not over yet.'
        when 'no_product' then 'The campaign names no product, so nothing counts as a conversion.'
        when 'no_holdings' then 'No holding of the product was handed in, so nobody knows who opened it.'
        when 'no_transactions' then 'No transaction that counts as a purchase was handed in, so nobody knows who bought.'
        when 'short_record' then 'What was handed in does not cover the days in which outcomes count.'
    end
{%- endmacro %}


{% macro effect_null_reasons() -%}
    {#- Why figures are null though the effect was measured; effect_reason says why it was not. -#}
    {{ names_where({
        'not_measured': "effect_status <> 'measured'",
        'none_treated': "effect_status = 'measured' and treated_mean <= 0",
        'none_held_out': "effect_status = 'measured' and holdout_mean <= 0",
        'adjusted_below_zero': 'relative_effect is null and treated_mean > 0 and holdout_mean > 0',
        'no_variation': "effect_status = 'measured' and coalesce(itt_error, 0) = 0",
        'all_customers': 'segment_id = 0',
        'few_segments': "effect_status = 'measured' and segment_id > 0 and itt_error > 0 and pooled_effect is null",
        'small_cell': "effect_status = 'measured' and is_small_cell",
    }) }}
{%- endmacro %}


{% macro means_ratio(treated, holdout) -%}
    {#- Ratio of the adjusted means of two groups; null where either group has nothing to be a ratio of. -#}
    case
        when {{ treated }}.mean_value > 0 and {{ holdout }}.mean_value > 0
            and {{ treated }}.adjusted_mean > 0 and {{ holdout }}.adjusted_mean > 0
            then {{ treated }}.adjusted_mean / {{ holdout }}.adjusted_mean
    end
{%- endmacro %}


{% macro log_means_ratio_error(treated, holdout, shared_error) -%}
    {#- Standard error of the log of means_ratio (delta method): of each group's own mean, and of the mean before the start
        that both are adjusted to, which moves numerator and denominator together. -#}
    case
        when {{ treated }}.adjusted_mean > 0 and {{ holdout }}.adjusted_mean > 0
            then sqrt(
                power({{ treated }}.adjusted_error / {{ treated }}.adjusted_mean, 2)
                + power({{ holdout }}.adjusted_error / {{ holdout }}.adjusted_mean, 2)
                + power({{ shared_error }} * (1 / {{ treated }}.adjusted_mean - 1 / {{ holdout }}.adjusted_mean), 2)
            )
    end
{%- endmacro %}


{% macro upper_tail(z) -%}
    {#- Probability that a standard normal deviate is above z. -#}
    case when {{ z }} < 0 then 1 - {{ two_sided_p(z) }} / 2 else {{ two_sided_p(z) }} / 2 end
{%- endmacro %}


{% macro power_for(difference, standard_error) -%}
    {#- Chance that a two-sided test finds a true difference at the level of confidence_level. -#}
    {%- set shift = '(' ~ difference ~ ' / nullif(' ~ standard_error ~ ', 0))' -%}
    ({{ upper_tail('(' ~ interval_z() ~ ' - ' ~ shift ~ ')') }} + {{ upper_tail('(' ~ interval_z() ~ ' + ' ~ shift ~ ')') }})
{%- endmacro %}


{% macro detectable_difference(standard_error) -%}
    {#- The smallest true difference that a two-sided test finds with test_power. -#}
    ({{ interval_z() }} + {{ power_z() }}) * nullif({{ standard_error }}, 0)
{%- endmacro %}


{% macro smallest_effect(outcome) -%}
    case {{ outcome }}
        when 'conversion' then cast({{ var('smallest_conversion_effect') }} as double)
        else cast({{ var('smallest_revenue_effect') }} as double)
    end
{%- endmacro %}


{% macro incremental_cost(effect) -%}
    {#- Cost of a treated customer over what a treated customer gained. The cost is what was paid, without an error of its
        own, so the ends of the effect give the ends of the cost (Fieller, JRSS B 16, 1954, with a known numerator). -#}
    case when cost_reason is null then campaign_cost / nullif(treated_count * {{ effect }}, 0) end
{%- endmacro %}


{% macro incremental_cost_reason() -%}
    {#- Why there is no cost per incremental conversion; null where there is one. -#}
    case
        when outcome <> 'conversion' then 'Told for conversions alone.'
        when itt_effect is null then 'No effect was measured.'
        when coalesce(campaign_cost, 0) <= 0 then 'No cost was handed in.'
        when itt_effect_low <= 0 then 'The interval of the effect reaches down to 0, so the cost has no upper end.'
    end
{%- endmacro %}
