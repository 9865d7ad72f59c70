{#- Intervals and tests for estimates whose customers are skewed. The third cumulant of an estimate and how its error
    moves with it make a transformation of the studentised estimate that is normal up to terms of order 1 / n.
    Sources: Hall, On the Removal of Skewness by Transformation, JRSS B 54, 1992; for two samples, whose cumulants are
    subtracted, Zhou and Dinh, Biostatistics 6, 2005. For a ratio the error covaries with the estimate through its
    denominator as well; without that term a click-through rate of 1 % covers 1 to 3 points less.
    Where both are 0 or unknown, everything here is the normal interval and test. -#}

{% macro mean_third_cumulant(n, sum_x, sum_xx, sum_xxx) -%}
    {%- set mean = ratio(sum_x, n) -%}
    ((cast({{ sum_xxx }} as double) - 3 * {{ mean }} * {{ sum_xx }} + 2 * {{ n }} * power({{ mean }}, 3))
        / nullif(power(cast({{ n }} as double), 3), 0))
{%- endmacro %}


{% macro ratio_third_cumulant(sum_y, sum_x, sum_yyy, sum_yyx, sum_yxx, sum_xxx) -%}
    {#- Of the linearised residual y - r x. -#}
    {%- set r = ratio(sum_y, sum_x) -%}
    ((cast({{ sum_yyy }} as double) - 3 * {{ r }} * {{ sum_yyx }} + 3 * {{ r }} * {{ r }} * {{ sum_yxx }}
        - power({{ r }}, 3) * {{ sum_xxx }}) / nullif(power(cast({{ sum_x }} as double), 3), 0))
{%- endmacro %}


{% macro ratio_error_covariance(sum_y, sum_x, sum_yy, sum_xx, sum_xy) -%}
    {#- How a ratio's error moves with it through the denominator: residuals that go with x. -#}
    {%- set r = ratio(sum_y, sum_x) -%}
    ((cast({{ sum_yy }} as double) - 2 * {{ r }} * {{ sum_xy }} + {{ r }} * {{ r }} * {{ sum_xx }})
        * (cast({{ sum_xy }} as double) - {{ r }} * {{ sum_xx }}) / nullif(power(cast({{ sum_x }} as double), 4), 0))
{%- endmacro %}


{% macro skew_bend(error, third_cumulant, error_covariance) -%}
    {{ within_one('(' ~ third_cumulant ~ ' / 3 - ' ~ error_covariance ~ ') / nullif(power(' ~ error ~ ', 3), 0)') }}
{%- endmacro %}


{% macro skew_shift(error, third_cumulant) -%}
    {{ within_one(third_cumulant ~ ' / (6 * nullif(power(' ~ error ~ ', 3), 0))') }}
{%- endmacro %}


{% macro within_one(expression) -%}
    {#- A sample's skewness cannot exceed the root of its size, so more is rounding of figures that do not vary. -#}
    least(1e0, greatest(-1e0, coalesce({{ expression }}, 0e0)))
{%- endmacro %}


{% macro skewed_end(estimate, error, third_cumulant, error_covariance, sign) -%}
    {#- An end of the interval: - for the lower, + for the upper. The inverse of skewness_removed, written without a division
        by the bend, which may be 0, and with the root once: its square and itself and 1 are a square and 3 / 4. -#}
    {%- set bend = skew_bend(error, third_cumulant, error_covariance) -%}
    {%- set quantile = '(' ~ ('' if sign == '-' else '-') ~ interval_z() ~ ' - ' ~ skew_shift(error, third_cumulant) ~ ')' -%}
    {%- set root = 'cbrt(1 + 3 * ' ~ bend ~ ' * ' ~ quantile ~ ')' -%}
    ({{ estimate }} - {{ error }} * 3 * {{ quantile }} / (power({{ root }} + 0.5, 2) + 0.75))
{%- endmacro %}


{% macro skewed_low(estimate, error, third_cumulant, error_covariance='0', minimum=none) -%}
    {{ cut_off(skewed_end(estimate, error, third_cumulant, error_covariance, '-'), '<', minimum) }}
{%- endmacro %}


{% macro skewed_high(estimate, error, third_cumulant, error_covariance='0', maximum=none) -%}
    {{ cut_off(skewed_end(estimate, error, third_cumulant, error_covariance, '+'), '>', maximum) }}
{%- endmacro %}


{% macro skewness_removed(estimate, error, third_cumulant, error_covariance='0') -%}
    {#- A standard normal deviate of the estimate against zero; beyond z exactly where the interval excludes zero. -#}
    {%- set deviate = '(' ~ estimate ~ ' / nullif(' ~ error ~ ', 0))' -%}
    {%- set bend = skew_bend(error, third_cumulant, error_covariance) -%}
    ({{ deviate }} + {{ bend }} * power({{ deviate }}, 2) + power({{ bend }}, 2) * power({{ deviate }}, 3) / 3
        + {{ skew_shift(error, third_cumulant) }})
{%- endmacro %}


{% macro inequality(customers, sum_y, sum_root_y) -%}
    {#- Atkinson's index with an aversion of one half: 0 where all have the same, near 1 where one has all. It rests on
        square roots, so a few large amounts that a sample happens to lack move it little. Source: Atkinson, On the
        Measurement of Inequality, Journal of Economic Theory 2, 1970. -#}
    (1 - power(cast({{ sum_root_y }} as double), 2) / nullif(cast({{ customers }} as double) * {{ sum_y }}, 0))
{%- endmacro %}
