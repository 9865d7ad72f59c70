{#- Differences between two groups of different customers, each an expression. -#}

{% macro difference_standard_error(error_a, error_b) -%}
    {#- Of two independent estimates (Welch: the variances are not pooled). -#}
    sqrt({{ error_a }} * {{ error_a }} + {{ error_b }} * {{ error_b }})
{%- endmacro %}


{% macro cell_difference(own, other) -%}
    {#- Columns of the difference of two cells, from their relations' names. -#}
    {{ own }}.estimate - {{ other }}.estimate as difference,
        {{ difference_standard_error(own ~ '.standard_error', other ~ '.standard_error') }} as standard_error,
        {{ own }}.third_cumulant - {{ other }}.third_cumulant as third_cumulant,
        {{ own }}.error_covariance - {{ other }}.error_covariance as error_covariance
{%- endmacro %}


{% macro difference_p(difference, standard_error) -%}
    {#- Two-sided p of no difference; null where nothing varies. -#}
    {{ two_sided_p(difference ~ ' / nullif(' ~ standard_error ~ ', 0)') }}
{%- endmacro %}


{% macro unskewed_difference_p() -%}
    {#- The same for the columns that cell_difference makes, with their skewness removed. -#}
    {{ two_sided_p(skewness_removed('difference', 'standard_error', 'third_cumulant', 'error_covariance')) }}
{%- endmacro %}


{% macro difference_method() -%}
    {#- How the difference of two cells was judged, in words, by their kind. -#}
    case kind
        when 'proportion' then 'Newcombe interval, pooled score test'
        when 'mean' then 'Welch, skewness removed'
        else 'delta method over customers, skewness removed'
    end
{%- endmacro %}


{% macro newcombe_low(estimate_a, low_a, high_a, estimate_b, low_b, high_b) -%}
    {#- Interval of a difference of two proportions from their Wilson intervals. Source: Newcombe, Interval
        Estimation for the Difference Between Independent Proportions, Statistics in Medicine 17, 1998, method 10. -#}
    (({{ estimate_a }} - {{ estimate_b }})
        - sqrt(power({{ estimate_a }} - {{ low_a }}, 2) + power({{ high_b }} - {{ estimate_b }}, 2)))
{%- endmacro %}


{% macro newcombe_high(estimate_a, low_a, high_a, estimate_b, low_b, high_b) -%}
    (({{ estimate_a }} - {{ estimate_b }})
        + sqrt(power({{ high_a }} - {{ estimate_a }}, 2) + power({{ estimate_b }} - {{ low_b }}, 2)))
{%- endmacro %}


{% macro two_proportions_p(successes_a, n_a, successes_b, n_b) -%}
    {#- Two-sided p of equal proportions by the pooled score test (Pearson's chi-squared without correction). -#}
    {{ difference_p(
        '(' ~ ratio(successes_a, n_a) ~ ' - ' ~ ratio(successes_b, n_b) ~ ')',
        pooled_proportions_error(successes_a, n_a, successes_b, n_b)) }}
{%- endmacro %}


{% macro pooled_proportions_error(successes_a, n_a, successes_b, n_b) -%}
    {#- Standard error of the difference of two proportions if they are equal; 0 for what is no proportion, since engines may
        compute it where a case then leaves it out. -#}
    {%- set pooled = ratio('(' ~ successes_a ~ ' + ' ~ successes_b ~ ')', '(' ~ n_a ~ ' + ' ~ n_b ~ ')') -%}
    sqrt({{ not_negative(pooled ~ ' * (1 - ' ~ pooled ~ ')') }} * (1e0 / nullif({{ n_a }}, 0) + 1e0 / nullif({{ n_b }}, 0)))
{%- endmacro %}
