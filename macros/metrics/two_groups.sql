{#- Two groups with and without something, by their counts: n1, y1 (with) and n0, y0 (without). -#}

{% macro group_difference(n1, y1, n0, y0) -%}
    ({{ ratio(y1, n1) }} - {{ ratio(y0, n0) }})
{%- endmacro %}


{% macro group_difference_low(n1, y1, n0, y0) -%}
    {{ newcombe_low(
        ratio(y1, n1), proportion_low(y1, n1), proportion_high(y1, n1),
        ratio(y0, n0), proportion_low(y0, n0), proportion_high(y0, n0)) }}
{%- endmacro %}


{% macro group_difference_high(n1, y1, n0, y0) -%}
    {{ newcombe_high(
        ratio(y1, n1), proportion_low(y1, n1), proportion_high(y1, n1),
        ratio(y0, n0), proportion_low(y0, n0), proportion_high(y0, n0)) }}
{%- endmacro %}


{% macro stratum_weight(n1, n0) -%}
    {#- Mantel-Haenszel's weight of a stratum for a difference. Source: Greenland and Robins, Biometrics 41, 1985. -#}
    {{ ratio(n1 ~ ' * ' ~ n0, '(' ~ n1 ~ ' + ' ~ n0 ~ ')') }}
{%- endmacro %}


{% macro group_difference_variance(n1, y1, n0, y0) -%}
    ({{ ratio(y1, n1) }} * (1 - {{ ratio(y1, n1) }}) / nullif({{ n1 }}, 0)
        + {{ ratio(y0, n0) }} * (1 - {{ ratio(y0, n0) }}) / nullif({{ n0 }}, 0))
{%- endmacro %}
