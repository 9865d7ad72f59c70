{% macro is_too_uneven(carriers, sum_y, sum_root_y, third_cumulant, error) -%}
    {#- Amounts of too few customers, or so unequal (var largest_inequality) that a sample cannot show how skewed they are,
        unless customers are many for the skewness seen (Cochran's rule, Sampling Techniques, 3rd ed., 1977, sec. 2.15; var
        customers_per_squared_skewness). The skewness alone would let the samples pass that lack the large amounts; false
        for what is no amount. -#}
    coalesce(
        {{ carriers }} < {{ var('small_cell_customers') }}
        or {{ inequality(carriers, sum_y, sum_root_y) }} > {{ var('largest_inequality') }}
        and power({{ third_cumulant }}, 2) * {{ var('customers_per_squared_skewness') }} > power({{ error }}, 6),
        false
    )
{%- endmacro %}
