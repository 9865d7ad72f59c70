{#- Whether the build file holds a build that may be published: complete, unselected, green. -#}

{% macro open_build_state() %}
    {#- From here on the file is unfinished: a build that is killed cannot be published. -#}
    {% if execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot') %}
        {% do write_build_state('false', 'false', 'the last build (dbt ' ~ flags.WHICH ~ ') did not finish') %}
    {% endif %}
{% endmacro %}


{% macro close_build_state(results) %}
    {% if execute and flags.WHICH in ('build', 'run', 'seed', 'test', 'snapshot') %}
        {% set unfit = [] %}
        {% for result in results if result.status not in ('success', 'pass', 'warn', 'no-op') %}
            {% do unfit.append(result.node.name) %}
        {% endfor %}
        {#- pipeline/rebuild.py leaves out what it knows to stand; each of these was made, and passed, in some run. -#}
        {% set rest_stands = env_var('SEGMART_RENEWAL', '') == 'tests' and made_or_passed(results) %}
        {#- Unit tests look at rows of their own, not at this file's. -#}
        {% set left_out = invocation_args_dict.get('exclude_resource_types') or [] %}
        {% set is_partial = flags.WHICH != 'build' or flags.EMPTY
            or invocation_args_dict.get('select') or invocation_args_dict.get('exclude') or invocation_args_dict.get('selector')
            or invocation_args_dict.get('resource_types') or left_out | reject('equalto', 'unit_test') | list %}
        {% if unfit %}
            {% do write_build_state('false', 'false', 'the last run (dbt ' ~ flags.WHICH ~ ') was not green: ' ~ unfit[0]
                ~ (' and ' ~ (unfit | length - 1) ~ ' more' if unfit | length > 1 else '')) %}
        {% elif flags.WHICH != 'test' and is_partial and not rest_stands %}
            {% do write_build_state('false', 'true', 'the last run (dbt ' ~ flags.WHICH ~ ') built a part only; run dbt build without a selection') %}
        {% elif flags.WHICH == 'build' %}
            {% do drop_kept() %}
            {% do write_build_state('true', 'true', none) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{% macro made_or_passed(results) %}
    {#- True where every model, seed and test stands in the recipes or among the results. -#}
    {% set found = graph.recipes | list + results | map(attribute='node.unique_id') | list %}
    {% for node in graph.nodes.values()
        if node.resource_type in ('model', 'seed', 'test') and node.config.materialized != 'ephemeral' and node.unique_id not in found %}
        {{ return(false) }}
    {% endfor %}
    {{ return(true) }}
{% endmacro %}


{% macro write_build_state(is_complete, is_green, problem) %}
    {% do run_query('create schema if not exists internal') %}
    {% do run_query('drop table if exists internal.build_state') %}
    {% set state %}
        create table internal.build_state as
        select
            {{ quoted(invocation_id) }} as build_id,
            {{ quoted(source_name()) }} as source_name,
            {{ quoted(target.name) }} as target_name,
            {{ is_complete }} as is_complete,
            {{ is_green }} as is_green,
            cast({{ quoted(problem) if problem else 'null' }} as {{ text_type() }}) as problem
    {% endset %}
    {% do run_query(state) %}
{% endmacro %}
