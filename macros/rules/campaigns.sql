{#- What the words of campaign reports mean. -#}

{% macro is_unreached(is_assigned, impressions) -%}
    {#- Assigned, not reached: no holdout, and no impression. -#}
    ({{ is_assigned }} and coalesce({{ impressions }}, 0) = 0)
{%- endmacro %}


{% macro is_after_send(happened_on, sent_on) -%}
    {#- On the day of the send or up to var after_send_days later: nobody knows the hour of a send, and what is withdrawn
        on its day is more often an answer to it than a coincidence. -#}
    {{ happened_on }} >= {{ sent_on }}
    and {{ happened_on }} <= cast({{ dbt.dateadd('day', var('after_send_days'), sent_on) }} as date)
{%- endmacro %}


{% macro is_refusal_at_joining(consents, changed_on, joined_on) -%}
    {#- No consent from the start is no withdrawal: nothing had been given. -#}
    (not {{ consents }} and coalesce({{ changed_on }} <= {{ joined_on }}, {{ changed_on }} is null))
{%- endmacro %}
