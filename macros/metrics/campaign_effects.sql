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


{% macro effect_reason() -%}
    case effect_status
        when 'measured' then 'Treated and held-out customers were split as planned.'
        when 'one_arm' then 'One of the two groups has fewer than two customers, so there is nothing to compare.'
        when 'unplanned_holdout' then 'No share to hold out was planned, so whether the split came by lot cannot be checked; hand in planned_holdout_share.'
        when 'invalid_assignment' then 'The split between the groups is not the planned one; find out who is missing before comparing them.'
        when 'window_open' then 'The days in which outcomes count are not over yet.'
        when 'no_product' then 'The campaign names no product, so nothing counts as a conversion.'
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
        else cast({{ var('smallest_purchase_effect') }} as double)
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
