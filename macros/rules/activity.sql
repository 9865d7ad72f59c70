{#- Who is still a customer in more than name. Activity is a transaction, or a session in a digital front. -#}

{% macro is_churned(last_active_on, on_date) -%}
    {#- No activity in the last var churn_days; nothing ever counts as none. -#}
    coalesce({{ last_active_on }} <= {{ churn_starts_on(on_date) }}, true)
{%- endmacro %}


{% macro can_have_churned(known_since, on_date) -%}
    {#- Customers newer than var churn_days, and activity on record for fewer days, cannot show churn. -#}
    coalesce({{ known_since }} <= {{ churn_starts_on(on_date) }}, false)
{%- endmacro %}


{% macro churn_starts_on(on_date) -%}
    cast({{ dbt.dateadd('day', -var('churn_days'), on_date) }} as date)
{%- endmacro %}


{% macro is_fully_observed_month(month_starts_on, first_day, last_day) -%}
    {#- From its first day to its last within the days on record. -#}
    ({{ month_starts_on }} >= {{ first_day }}
        and cast({{ dbt.dateadd('month', 1, month_starts_on) }} as date) <= cast({{ dbt.dateadd('day', 1, last_day) }} as date))
{%- endmacro %}
