{% macro lift(both, own, other, n) -%}
    {#- How many share two properties, over how many would if the properties were independent. -#}
    {{ ratio('cast(' ~ both ~ ' as double) * ' ~ n, 'cast(' ~ own ~ ' as double) * ' ~ other) }}
{%- endmacro %}


{% macro log_lift_standard_error(both, own, other, n) -%}
    {#- Standard error of the logarithm of lift, by the delta method over the four cells of a multinomial sample; null where
        nobody has both. Source: Agresti, Categorical Data Analysis, 3rd ed., 2013, sec. 16.1. -#}
    sqrt({{ not_negative(
        '(1e0 / nullif(' ~ both ~ ', 0) - 1e0 / nullif(' ~ own ~ ', 0) - 1e0 / nullif(' ~ other ~ ', 0)'
        ~ ' + (2 * ' ~ lift(both, own, other, n) ~ ' - 1) / nullif(' ~ n ~ ', 0))') }})
{%- endmacro %}
