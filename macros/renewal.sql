{#- A resident process makes all models before it asks any test (pipeline/rebuild.py). Rows that are only ever appended to,
    fits above all, must not rest on what a test then refuses: they are kept as they were until all has passed, and the next
    run that does not go on with this one takes them back, also after a kill. -#}

{% macro keep_appended() %}
    {% if execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot') %}
        {% set phase = env_var('SEGMART_RENEWAL', '') %}
        {% for node in appended_models() %}
            {% set kept = adapter.get_relation(target.database, 'internal', 'kept_' ~ node.alias) %}
            {% set relation = adapter.get_relation(node.database, node.schema, node.alias) %}
            {% if kept is not none and relation is not none and phase != 'tests' %}
                {% do run_query('delete from ' ~ relation) %}
                {% do run_query('insert into ' ~ relation ~ ' select * from ' ~ kept) %}
                {% do run_query('drop table ' ~ kept) %}
            {% endif %}
            {% if relation is not none and phase == 'models' %}
                {% do run_query('create table internal.kept_' ~ node.alias ~ ' as select * from ' ~ relation) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{% macro drop_kept() %}
    {% for node in appended_models() %}
        {% do run_query('drop table if exists internal.kept_' ~ node.alias) %}
    {% endfor %}
{% endmacro %}


{% macro appended_models() %}
    {% set found = [] %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'incremental' %}
        {% do found.append(node) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
