{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {#- Made in its place, by one statement: nobody reads the build file meanwhile, so that no table needs a second name
        before it has its own, and dbt's renames, a third of its time on small tables, are spared. -#}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}
    {% if existing is not none and existing.type != 'table' %}{% do adapter.drop_relation(existing) %}{% endif %}
    {% call statement('main', language=model.language) -%}
        {{ duckdb__python_table(relation, compiled_code) if model.language == 'python' else duckdb__table(relation, compiled_code) }}
    {%- endcall %}
    {% if config.get('contract').enforced %}{% do stop_at_broken_contract(relation) %}{% endif %}
    {{ run_hooks(post_hooks) }}

    {% do persist_docs(relation, model) %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}
    {% if existing is not none and existing.type != 'view' %}{% do adapter.drop_relation(existing) %}{% endif %}
    {% call statement('main') -%}
        create or replace view {{ relation }} as (
            {{ sql }}
        )
    {%- endcall %}
    {% if config.get('contract').enforced %}{% do stop_at_broken_contract(relation) %}{% endif %}
    {{ run_hooks(post_hooks) }}

    {% do persist_docs(relation, model) %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


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
