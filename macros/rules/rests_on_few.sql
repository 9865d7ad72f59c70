{% macro rests_on_few(sum_y, sum_yy) -%}
    {#- Events of so few customers that they count for fewer than var small_cell_even_events: as many customers with equally
        many events each would tell as much. Kish's effective number (Survey Sampling, 1965, sec. 11.7), which for a
        proportion is its events. -#}
    coalesce(power(cast({{ sum_y }} as double), 2) < {{ var('small_cell_even_events') }} * {{ sum_yy }}, false)
{%- endmacro %}
