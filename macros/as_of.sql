{% macro given_as_of() %}
    {#- AS_OF as an ISO date, or '' where the data decide. -#}
    {% set given = env_var('AS_OF', '').strip() %}
    {% if given %}
        {% set found = modules.re.fullmatch('([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])', given) %}
        {#- The 31st of a shorter month lies in the next one. -#}
        {% if not found or (modules.datetime.date(found[1] | int, found[2] | int, 1)
            + modules.datetime.timedelta(days=(found[3] | int) - 1)).isoformat() != given %}
            {{ exceptions.raise_compiler_error('AS_OF is ' ~ given ~ ', which is no date; write it as YYYY-MM-DD.') }}
        {% endif %}
    {% endif %}
    {{ return(given) }}
{% endmacro %}


{% macro stop_without_as_of() %}
    {% if execute and not flags.EMPTY %}
        {% if run_query('select as_of_on from ' ~ this).rows[0][0] is none %}
            {{ exceptions.raise_compiler_error(
                'No row of any raw file has a date, so there is nothing to build as of; set AS_OF=YYYY-MM-DD.') }}
        {% endif %}
    {% endif %}
{% endmacro %}


{% macro is_ordinary_day(row_count, partition='') -%}
    {#- Among all days of a record, so that one event typed 1962 is no beginning, and one typed 2062 no end. -#}
    {{ row_count }} >= {{ var('as_of_day_share') }} * avg(cast({{ row_count }} as double)) over ({{ partition }})
{%- endmacro %}
