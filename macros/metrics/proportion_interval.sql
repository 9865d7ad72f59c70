{% macro proportion_low(successes, n) -%}
    {#- Wilson's score interval for a proportion; exactly 0 without a success. Source: Wilson, Probable Inference,
        JASA 22, 1927; Brown, Cai, DasGupta, Statistical Science 16, 2001, eq. 4. -#}
    case when {{ successes }} = 0 and {{ n }} > 0 then 0e0 else {{ wilson(successes, n, '-') }} end
{%- endmacro %}


{% macro proportion_high(successes, n) -%}
    {#- The upper end; exactly 1 where all succeed. -#}
    case when {{ successes }} = {{ n }} and {{ n }} > 0 then 1e0 else {{ wilson(successes, n, '+') }} end
{%- endmacro %}


{% macro wilson(successes, n, sign) -%}
    {%- set z = interval_z() | trim -%}
    {%- set p = ratio(successes, n) -%}
    (
        ({{ p }} + {{ z }} * {{ z }} / (2 * nullif({{ n }}, 0))
        {{ sign }} {{ z }} * sqrt(greatest(0, {{ p }} * (1 - {{ p }})) / nullif({{ n }}, 0)
            + {{ z }} * {{ z }} / (4 * nullif(cast({{ n }} as double), 0) * {{ n }})))
        / (1 + {{ z }} * {{ z }} / nullif({{ n }}, 0))
    )
{%- endmacro %}
