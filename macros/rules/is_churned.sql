{% macro is_churned(last_activity_on, as_of_on) -%}
    {#- No activity for more than churn_days; null where no day of activity is known. -#}
    {{ dbt.datediff(last_activity_on, as_of_on, 'day') }} > {{ var('churn_days') }}
{%- endmacro %}
