{% macro stop_at_first_problem(file) %}
    {#- A small file that an analyst edits and got wrong is an error before anything rests on it. -#}
    {% if execute and not flags.EMPTY %}
        {% set counted = run_query('select count(*), min(row_problem) from ' ~ this).rows[0] %}
        {% if counted[0] == 0 %}
            {{ exceptions.raise_compiler_error(file ~ ' has no row; give it at least one.') }}
        {% elif counted[1] is not none %}
            {{ exceptions.raise_compiler_error(file ~ ', ' ~ counted[1] ~ '.') }}
        {% endif %}
    {% endif %}
{% endmacro %}
