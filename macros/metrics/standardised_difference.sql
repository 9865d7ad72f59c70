{% macro standardised_difference(mean, population_mean, population_deviation) -%}
    {#- How many population standard deviations a segment's mean lies from everybody's. -#}
    (({{ mean }} - {{ population_mean }}) / nullif({{ population_deviation }}, 0))
{%- endmacro %}
