{#- Each is made in its place, without a second table: nobody reads the build file meanwhile, so that no table needs a second
    name before it has its own, and dbt's renames, a third of its time on small tables, are spared. What would be made of
    the same as before is left as it is (macros/unchanged.sql). -#}

{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set recipe = recipe_of(compiled_code) -%}
    {% if is_unchanged(recipe) %}{{ return(left_as_it_is(relation)) }}{% endif %}

    {{ run_hooks(pre_hooks) }}
    {{ drop_of_other_type(relation) }}
    {% do begin_profile() %}
    {% set stands = is_local() and load_cached_relation(this) is not none and model.unique_id in graph.recipes_before %}
    {% set touched = duckdb__renewed(relation, compiled_code) if stands else none %}
    {% if touched is none %}
        {% set is_compared = stands and model.unique_id in graph.keyed and not config.get('meta').day %}
        {% if is_compared %}{% do duckdb__keep_to_compare(relation) %}{% endif %}
        {% call statement('main', language=model.language) -%}
            {{ duckdb__python_table(relation, compiled_code) if model.language == 'python' else duckdb__table(relation, compiled_code) }}
        {%- endcall %}
        {% if is_compared %}{% set touched = duckdb__touched_by_comparison(relation) %}{% endif %}
    {% endif %}
    {% do end_profile() %}
    {% if config.get('contract').enforced %}{% do stop_at_broken_contract(relation) %}{% endif %}
    {{ run_hooks(post_hooks) }}

    {% do persist_docs(relation, model) %}
    {{ adapter.commit() }}
    {% do remember(recipe, duckdb__content_of(relation)) %}
    {% do touch(touched) %}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='view') -%}
    {%- set recipe = recipe_of(sql) -%}
    {% if is_unchanged(recipe) %}{{ return(left_as_it_is(relation)) }}{% endif %}

    {{ run_hooks(pre_hooks) }}
    {{ drop_of_other_type(relation) }}
    {% call statement('main') -%}
        create or replace view {{ relation }} as (
            {{ sql }}
        )
    {%- endcall %}
    {% if config.get('contract').enforced %}{% do stop_at_broken_contract(relation) %}{% endif %}
    {{ run_hooks(post_hooks) }}

    {% do persist_docs(relation, model) %}
    {{ adapter.commit() }}
    {% do touch(touched_of(sql)) %}
    {% do remember(recipe) %}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


{% materialization seed, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set recipe = recipe_of(file_hash(model.original_file_path), [tojson(model.config, sort_keys=true)]) -%}
    {% if is_unchanged(recipe) %}
        {% do store_result('agate_table', response='UNCHANGED', agate_table=run_query('select 1 where false')) %}
        {{ return(left_as_it_is(relation)) }}
    {% endif %}
    {%- set made = dbt.materialization_seed_default() -%}
    {% do remember(recipe) %}
    {{ return(made) }}
{% endmaterialization %}


{% materialization test, adapter='duckdb' %}
    {#- In a build, what passed on the same tables passes again; `dbt test` asks anew. -#}
    {%- set judged_by = [config.get('fail_calc') | string, config.get('error_if') | string] -%}
    {%- set recipe = recipe_of(sql, judged_by) if flags.WHICH == 'build' else none -%}
    {% if recipe is not none and is_unchanged(recipe) %}
        {% call statement('main', fetch_result=true) -%}
            select 0 as failures, false as should_warn, false as should_error
        {%- endcall %}
        {{ return({'relations': []}) }}
    {% endif %}
    {%- set tables = touched_of(sql, judged_by) if recipe is not none and not should_store_failures() else none -%}
    {% if tables is none %}
        {%- set made = dbt.materialization_test_default() -%}
    {% else %}
        {#- The other customers' rows are those that passed before. That there are none of nobody is for the test to say. -#}
        {% set narrowed = duckdb__narrowed(sql, tables, 'or customer_id is null') %}
        {% call statement('main', fetch_result=true) -%}
            {{ get_test_sql(narrowed.code, config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), limit=none) }}
        {%- endcall %}
        {% do duckdb__drop_views(narrowed.views) %}
    {% endif %}
    {% set judged = load_result('main').table.rows[0] %}
    {% if not judged[1] and not judged[2] %}{% do remember(recipe) %}{% endif %}
    {{ return(made or {'relations': []}) }}
{% endmaterialization %}


{% macro begin_profile() %}
    {#- With SEGMART_PROFILE=1 DuckDB notes beside the build file what making each table took; make profile reads it. -#}
    {% if env_var('SEGMART_PROFILE', '') == '1' and model.language == 'sql' %}
        {% set path = target.path | replace('warehouse.duckdb', 'profile/' ~ model.name ~ '.json') %}
        {% do run_query("set enable_profiling = 'json'") %}
        {% do run_query('set profile_output = ' ~ quoted(path)) %}
    {% endif %}
{% endmacro %}


{% macro end_profile() %}
    {% if env_var('SEGMART_PROFILE', '') == '1' and model.language == 'sql' %}
        {% do run_query('pragma disable_profiling') %}
    {% endif %}
{% endmacro %}


{% macro left_as_it_is(relation) %}
    {#- Hooks hold checks, and their limits may have changed though the rows have not. -#}
    {{ run_hooks(post_hooks) }}
    {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) %}{% endcall %}
    {{ return({'relations': [relation]}) }}
{% endmacro %}


{% macro drop_of_other_type(relation) %}
    {% set existing = load_cached_relation(relation) %}
    {% if existing is not none and existing.type != relation.type %}{% do adapter.drop_relation(existing) %}{% endif %}
{% endmacro %}


{% macro duckdb__table(relation, compiled_code) %}
    create or replace table {{ relation }} as
    {% if config.get('contract').enforced -%}
        {{ get_select_subquery(compiled_code) }}
    {%- else %}(
        {{ compiled_code }}
    )
    {%- endif %}
{% endmacro %}


{% macro duckdb__python_table(relation, compiled_code) -%}
{{ compiled_code }}


def materialize(frame, connection):
    connection.register("{{ relation.identifier }}_frame", frame)
    connection.execute("""create or replace table {{ relation }} as select * from {{ relation.identifier }}_frame""")
    connection.unregister("{{ relation.identifier }}_frame")
{%- endmacro %}


{% macro stop_at_broken_contract(relation) %}
    {#- The columns as they were made against those promised; dbt would plan the query twice to know before. -#}
    {%- set made = format_columns(adapter.get_columns_in_relation(relation)) -%}
    {%- set promised = format_columns(get_column_schema_from_query(get_empty_schema_sql(model.columns))) -%}
    {%- if made | map(attribute='formatted') | sort | list != promised | map(attribute='formatted') | sort | list -%}
        {%- do exceptions.raise_contract_error(promised, made) -%}
    {%- endif -%}
{% endmacro %}
