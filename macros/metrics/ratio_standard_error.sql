{% macro ratio_standard_error(customers, sum_y, sum_x, sum_yy, sum_xx, sum_xy) -%}
    {#- Standard error of sum(y) / sum(x) over independent customers by the delta method: the linearised
        residual y - r x has mean zero, so its variance needs only sums over customers.
        Source: Deng, Knoblich, Lu, Applying the Delta Method in Metric Analytics, KDD 2018, eq. 4. -#}
    {%- set r = ratio(sum_y, sum_x) -%}
    sqrt(
        cast({{ customers }} as double) / nullif({{ customers }} - 1, 0)
        * {{ not_negative('cast(' ~ sum_yy ~ ' as double) - 2 * ' ~ r ~ ' * ' ~ sum_xy ~ ' + ' ~ r ~ ' * ' ~ r ~ ' * ' ~ sum_xx) }}
    ) / nullif(cast({{ sum_x }} as double), 0)
{%- endmacro %}
