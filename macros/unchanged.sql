{#- What is made of the same as before is not made again. A node's recipe is its code, the contents of its inputs and the
    versions it runs under; a table's content is a hash over its rows, so that what is made anew and comes out the same
    changes nothing after it. Recipes of a build stand in internal.recipes: taken out when a run begins and put back when
    it ends, so that after a killed run everything is made anew. -#}

{% macro take_recipes() %}
    {#- `graph` is the one thing all nodes of a run share. -#}
    {% if execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot') %}
        {% set recipes = {} %}
        {% set relation = adapter.get_relation(target.database, 'internal', 'recipes') %}
        {% if relation is not none %}
            {% if not flags.FULL_REFRESH and not flags.EMPTY %}
                {% for row in run_query('select node_id, recipe, content from ' ~ relation).rows %}
                    {% do recipes.update({row[0]: {'recipe': row[1], 'content': row[2]}}) %}
                {% endfor %}
            {% endif %}
            {% do run_query('drop table ' ~ relation) %}
        {% endif %}
        {% for source in graph.sources.values() if source.source_name == 'state' %}
            {% do recipes.update({source.unique_id: {'recipe': '', 'content': adapter.dispatch('content_of')('state.' ~ source.name)}}) %}
        {% endfor %}
        {% do graph.update({
            'recipes': recipes,
            'recipes_before': dict(recipes),
            'touched': {},
            'keyed': {},
            'versions': adapter.dispatch('versions_of_what_computes')(),
        }) %}
    {% endif %}
{% endmacro %}


{% macro put_recipes_back() %}
    {% if execute and graph.recipes and not flags.EMPTY %}
        {% do run_query('create schema if not exists internal') %}
        {% set rows = [] %}
        {% for node_id, made in graph.recipes.items() %}
            {% do rows.append('(' ~ quoted(node_id) ~ ', ' ~ quoted(made.recipe) ~ ', ' ~ quoted(made.content) ~ ')') %}
        {% endfor %}
        {% set columns = ['node_id', 'recipe', 'content'] | join(' ' ~ text_type() ~ ', ') ~ ' ' ~ text_type() %}
        {% do run_query('create or replace table internal.recipes (' ~ columns ~ ')') %}
        {% do run_query('insert into internal.recipes values ' ~ rows | join(', ')) %}
    {% endif %}
{% endmacro %}


{% macro recipe_of(code, others=[], before=[]) %}
    {#- The recipe of the running node; none where an input's content is not known. The inputs of `before` count with
        the content that they had when the run began. -#}
    {% set parts = [code, graph.versions, tojson(model.columns, sort_keys=true)] + others %}
    {% for input in model.depends_on.nodes %}
        {% set recipes = graph.recipes_before if input in before else graph.recipes %}
        {% if input not in recipes %}{{ return(none) }}{% endif %}
        {% do parts.append(recipes[input].content) %}
    {% endfor %}
    {{ return(local_md5(parts | join('\n'))) }}
{% endmacro %}


{% macro is_unchanged(recipe) %}
    {#- True where the node was made by this recipe and is still there. What is made anew is forgotten until it stands. -#}
    {% if recipe is not none and graph.recipes.get(model.unique_id, {}).recipe == recipe
        and (model.resource_type == 'test' or load_cached_relation(this) is not none) %}
        {{ return(true) }}
    {% endif %}
    {% do graph.recipes.pop(model.unique_id, none) %}
    {{ return(false) }}
{% endmacro %}


{% macro remember(recipe, content=none) %}
    {#- content is given for what is stored; without it a node's content is its recipe's. -#}
    {% if recipe is not none %}
        {% do graph.recipes.update({model.unique_id: {'recipe': recipe, 'content': content or recipe}}) %}
    {% endif %}
{% endmacro %}


{% macro remember_rows() %}
    {#- The hook of incremental models, which run always: what comes after them depends on their rows alone. -#}
    {% if execute %}
        {% set content = adapter.dispatch('content_of')(this) %}
        {% do remember(content or invocation_id, content) %}
    {% endif %}
{% endmacro %}


{% macro content_as_left(name) %}
    {#- For what reads a table as the last run left it: its content then, or a text of this run alone where that is not
        known. -#}
    {{ return((graph.recipes or {}).get('model.' ~ project_name ~ '.' ~ name, {}).content or invocation_id) }}
{% endmacro %}


{% macro default__content_of(relation) %}
    {{ return(none) }}
{% endmacro %}


{% macro duckdb__content_of(relation) %}
    {#- A hash over the rows in whatever order; none for so many that hashing them would cost more than it spares. -#}
    {% set row_count = run_query('select count(*) from ' ~ relation).rows[0][0] %}
    {% if row_count > var('most_hashed_rows') %}{{ return(none) }}{% endif %}
    {% set row_hash = run_query('select sum(cast(hash(rows_of_it) as hugeint)) from ' ~ relation ~ ' as rows_of_it').rows[0][0] %}
    {{ return(row_count ~ ':' ~ row_hash) }}
{% endmacro %}


{% macro default__versions_of_what_computes() %}
    {{ return(dbt_version ~ ' ' ~ var('project_version')) }}
{% endmacro %}


{% macro duckdb__versions_of_what_computes() %}
    {{ return(dbt_version ~ ' ' ~ var('project_version') ~ ' ' ~ run_query('select version() || segmart_library_hash()').rows[0][0]) }}
{% endmacro %}
