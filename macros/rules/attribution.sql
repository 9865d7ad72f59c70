{#- Which touches a customer's revenue is attributed to: one rule a macro, in whole cents of a row of
    int_attribution_touches. Every rule gives away exactly revenue_cents. -#}

{% macro attributed_cents() -%}
    {%- set rules = {'last_touch': last_touch_cents, 'first_touch': first_touch_cents, 'linear': linear_cents} -%}
    {%- if var('attribution_rule') not in rules -%}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, attribution_rule: ' ~ var('attribution_rule') ~ ' is none; allowed are '
            ~ rules.keys() | join(', ') ~ '.') }}
    {%- endif -%}
    {{ rules[var('attribution_rule')]() }}
{%- endmacro %}


{% macro last_touch_cents() -%}
    case when last_touch_number = 1 then revenue_cents else 0 end
{%- endmacro %}


{% macro first_touch_cents() -%}
    case when first_touch_number = 1 then revenue_cents else 0 end
{%- endmacro %}


{% macro linear_cents() -%}
    {#- Equal whole cents; what does not divide goes, a cent each, to the first touches. -#}
    cast((revenue_cents - mod(revenue_cents, touch_count)) / touch_count as bigint)
        + case when first_touch_number <= abs(mod(revenue_cents, touch_count)) then cast(sign(revenue_cents) as bigint) else 0 end
{%- endmacro %}


{% macro amount_of_cents(cents) -%}
    {#- Exactly: a decimal divided by 100 would be a double. -#}
    cast(cast({{ cents }} as decimal(18, 0)) * cast(0.01 as decimal(3, 2)) as decimal(38, 2))
{%- endmacro %}
