{% macro ownership_rates() -%}
    {#- Over a row with customer_count, holder_count and buyer_count: who holds, and who bought in the window. -#}
    {{ ratio('holder_count', 'customer_count') }} as ownership_rate,
        {{ proportion_low('holder_count', 'customer_count') }} as ownership_rate_low,
        {{ proportion_high('holder_count', 'customer_count') }} as ownership_rate_high,
        {{ ratio('buyer_count', 'customer_count') }} as purchase_rate,
        {{ proportion_low('buyer_count', 'customer_count') }} as purchase_rate_low,
        {{ proportion_high('buyer_count', 'customer_count') }} as purchase_rate_high,
        {{ is_small_cell('customer_count', 'holder_count') }} as is_small_cell
{%- endmacro %}
