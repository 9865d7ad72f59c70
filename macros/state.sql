{#- What raw files cannot rebuild is exported by every publish, and read as the sources `state` by every run. -#}

{% macro read_state() %}
    {#- The tables of the last publish, empty where there is none; fits that this build file lacks join its own. -#}
    {% if execute and flags.WHICH in ('build', 'run', 'test', 'seed', 'snapshot') %}
        {% set paths = adapter.dispatch('state_files')() %}
        {% do run_query('create schema if not exists state') %}
        {% for source in graph.sources.values() if source.source_name == 'state' %}
            {% set model = graph.nodes['model.' ~ project_name ~ '.' ~ source.name] %}
            {% set columns = [] %}
            {% for column in model.columns.values() %}
                {% do columns.append(column.name ~ ' ' ~ api.Column.translate_type(column.data_type)) %}
            {% endfor %}
            {% do run_query('create or replace table state.' ~ source.name ~ ' (' ~ columns | join(', ') ~ ')') %}
            {% if source.name in paths %}
                {% do adapter.dispatch('insert_state')('state.' ~ source.name, paths[source.name]) %}
            {% endif %}
            {% if model.config.materialized == 'incremental' %}{% do take_back(model) %}{% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{% macro take_back(model) %}
    {#- Rows that are only ever appended to: those of the last publish that this build file does not have. -#}
    {% set relation = adapter.get_relation(model.database, model.schema, model.alias) %}
    {% if relation is none %}
        {% set relation = api.Relation.create(model.database, model.schema, model.alias, type='table') %}
        {% if run_query('select count(*) from state.' ~ model.name).rows[0][0] > 0 %}
            {% do run_query('create schema if not exists ' ~ model.schema) %}
            {% do run_query('create table ' ~ relation ~ ' as select * from state.' ~ model.name) %}
            {% do adapter.cache_added(relation) %}
        {% endif %}
    {% else %}
        {% do run_query(
            'insert into ' ~ relation ~ ' select * from state.' ~ model.name ~ ' except select * from ' ~ relation) %}
    {% endif %}
{% endmacro %}


{% macro duckdb__state_files() %}
    {{ return(duckdb__look('segmart_state_files', [target.name, source_name(), raw_folder()]).paths) }}
{% endmacro %}


{% macro default__state_files() %}
    {#- Elsewhere the tables themselves stay. -#}
    {{ return({}) }}
{% endmacro %}


{% macro duckdb__insert_state(relation, path) %}
    {% do run_query('insert into ' ~ relation ~ ' by name select * from read_parquet(' ~ exact_path(path) ~ ')') %}
{% endmacro %}


{% macro of_other_dates(name, running) -%}
    {#- What the last publish had of a table that every build adds the rows of its own as-of date to. -#}
    select published.*
    from {{ source('state', name) }} as published
    cross join {{ ref('as_of') }} as as_of
    where
        published.as_of_on <> as_of.as_of_on
        or published.segmentation not in (select segmentation from {{ running }})
{%- endmacro %}


{% macro changed_members(earlier, later, date) -%}
    {#- Points of history at a date: who is in another segment than before, who came, and who left (segment 0). -#}
    select
        dates.segmentation,
        coalesce(later.grain, earlier.grain) as grain,
        coalesce(later.entity_id, earlier.entity_id) as entity_id,
        dates.{{ date }} as valid_from,
        coalesce(later.segment_id, 0) as segment_id,
        coalesce(later.fit_id, earlier.fit_id) as fit_id
    from {{ earlier }} as earlier
    full outer join {{ later }} as later
        on earlier.segmentation = later.segmentation and earlier.entity_id = later.entity_id
    inner join dates on coalesce(later.segmentation, earlier.segmentation) = dates.segmentation
    where
        dates.{{ date }} is not null
        and coalesce(earlier.segment_id, 0) <> coalesce(later.segment_id, 0)
{%- endmacro %}


{% macro relation_as_left(name) %}
    {#- A model's table as the last run left it; none before the first. -#}
    {% if not execute %}{{ return(none) }}{% endif %}
    {% set model = graph.nodes['model.' ~ project_name ~ '.' ~ name] %}
    {{ return(adapter.get_relation(model.database, model.schema, model.alias)) }}
{% endmacro %}
