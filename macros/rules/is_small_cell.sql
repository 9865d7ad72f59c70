{% macro is_small_cell(customers, events) -%}
    {#- Too few customers or events for its interval to hold its level (vars small_cell_customers, small_cell_events). -#}
    ({{ customers }} < {{ var('small_cell_customers') }} or coalesce({{ events }}, 0) < {{ var('small_cell_events') }})
{%- endmacro %}
