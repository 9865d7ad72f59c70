{% macro proportion_low(successes, n) -%}
    {#- Wilson's score interval for a proportion. Source: Wilson, Probable Inference, JASA 22, 1927;
        Brown, Cai, DasGupta, Statistical Science 16, 2001, eq. 4. -#}
    {{ wilson(successes, n, '-') }}
{%- endmacro %}


{% macro proportion_high(successes, n) -%}
    {{ wilson(successes, n, '+') }}
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
