{#- What new files touch is made again, and nothing else: of a raw table the rows whose key they bring, take away or make
    past or future; of a model whose rows of each customer rest on that customer's rows alone (its meta says
    rows_of_each: customer_id), the rows of the customers who had such rows. Tables `internal.<model>_touched` hold these
    customers; `graph.touched` says for every node made so, or looked at through a view, which of them are its own.
    Whatever else changed - code, versions, a specification, another input - makes a table anew (macros/unchanged.sql). -#}

{% macro is_local() %}
    {#- True where the running node's rows of each customer rest on that customer's rows alone. What `holds` finds of such a
        model does so, too. -#}
    {% set node = graph.nodes[model.attached_node] if (model.test_metadata or {}).name == 'holds' else model %}
    {{ return(node.config.get('meta', {}).get('rows_of_each') == 'customer_id') }}
{% endmacro %}


{% macro touched_of(code, others=[], before=[]) %}
    {#- The tables of customers whose rows of the running node can differ from those it has or saw; none where others' can,
        too. Arguments are those of recipe_of(). -#}
    {% set made = graph.recipes_before.get(model.unique_id) if graph.recipes_before else none %}
    {% if not made or not made.recipe or not is_local() %}{{ return(none) }}{% endif %}
    {% if made.recipe != recipe_of(code, others, graph.touched | list + before) %}{{ return(none) }}{% endif %}
    {% set tables = [] %}
    {% for input in model.depends_on.nodes %}
        {% for table in graph.touched.get(input, []) if table not in tables %}{% do tables.append(table) %}{% endfor %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}


{% macro touch(tables) %}
    {#- What rests on the running node may look at these customers alone. -#}
    {% if tables is not none %}{% do graph.touched.update({model.unique_id: tables}) %}{% endif %}
{% endmacro %}


{% macro touched_customers(tables) -%}
    {%- for table in tables %}{{ 'union all ' if not loop.first }}select customer_id from internal.{{ table }} {% endfor -%}
{%- endmacro %}


{% macro duckdb__renewed(relation, code) %}
    {#- Makes again the rows of the customers that changed; the tables that hold these, or none where all has to be made
        anew. -#}
    {% if model.config.meta.get('day') %}{{ return(duckdb__renewed_by_key(relation, code)) }}{% endif %}
    {% set tables = touched_of(code) %}
    {% if tables is none %}{{ return(none) }}{% endif %}
    {% set narrowed = duckdb__narrowed(code, tables) %}
    {% do run_query('delete from ' ~ relation ~ ' where customer_id in (' ~ touched_customers(tables) ~ ')') %}
    {% call statement('main') -%}
        insert into {{ relation }} by name ({{ narrowed.code }})
    {%- endcall %}
    {% do duckdb__drop_views(narrowed.views) %}
    {{ return(tables) }}
{% endmacro %}


{% macro duckdb__narrowed(code, tables, or_of='') %}
    {#- The running node's code over its inputs' rows of these customers, and the temporary views that it then reads. -#}
    {% set narrowed = {'code': code, 'views': []} %}
    {% for input in model.depends_on.nodes %}
        {% set node = graph.nodes.get(input) or graph.sources.get(input) %}
        {% set of_input = api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier or node.alias) %}
        {% if 'customer_id' in adapter.get_columns_in_relation(of_input) | map(attribute='name') | list %}
            {% do run_query('create or replace temp view ' ~ of_input.identifier ~ ' as select * from ' ~ of_input ~ '
                where customer_id in (' ~ touched_customers(tables) ~ ') ' ~ or_of) %}
            {% do narrowed.update({'code': narrowed.code | replace(of_input | string, 'temp.' ~ of_input.identifier)}) %}
            {% do narrowed.views.append(of_input.identifier) %}
        {% endif %}
    {% endfor %}
    {{ return(narrowed) }}
{% endmacro %}


{% macro duckdb__drop_views(views) %}
    {% for view in views %}{% do run_query('drop view temp.' ~ view) %}{% endfor %}
{% endmacro %}


{% macro duckdb__renewed_by_key(relation, code) %}
    {#- For tables over raw rows. What becomes of a row is decided by the rows of its key, by whether its customer is
        known, and by the as-of date. -#}
    {% set raw = graph.keyed[model.unique_id].raw %}
    {% set keys = graph.keyed[model.unique_id]['keys'] %}
    {% set received = 'model.' ~ project_name ~ '.received_' ~ raw.name %}
    {% set tables = touched_of(code, before=[received, 'model.' ~ project_name ~ '.as_of']) %}
    {% if tables is none %}{{ return(none) }}{% endif %}
    {% set files = changed_files(received) %}
    {% if files is none %}{{ return(none) }}{% endif %}
    {% set touched = relation.identifier ~ '_touched' %}
    {% set raw_key = hash_of(keys.values()) | replace('raw_row.', '') %}
    {% set is_touched_key = hash_of(keys) ~ ' in (select key_hash from touched_keys)' %}

    {% do run_query('create or replace temp table touched_keys as
        select ' ~ raw_key ~ ' as key_hash from ' ~ raw.relation ~ ' where source_file in (' ~ files ~ ")
        union
        select " ~ hash_of(keys) ~ ' from ' ~ relation ~ ' cross join ' ~ ref('as_of') ~ ' as as_of
        where
            source_file in (' ~ files ~ ')
            ' ~ ('or customer_id in (' ~ touched_customers(tables) ~ ')' if tables else '') ~ "
            or coalesce(broken_rules like '%future_date%', false)
                <> coalesce(" ~ model.config.meta.day ~ ' > as_of.as_of_on, false)') %}
    {% if run_query('select count(*) > ' ~ var('most_touched_share') ~ ' * (select count(*) from ' ~ relation ~ ') from touched_keys').rows[0][0] %}
        {{ return(none) }}
    {% endif %}
    {% do run_query('create or replace temp table received_' ~ raw.name ~ ' as select * from ' ~ raw.relation
        ~ ' where ' ~ raw_key ~ ' in (select key_hash from touched_keys)') %}
    {% do run_query('create or replace table internal.' ~ touched ~ ' as
        select distinct customer_id from ' ~ relation ~ ' where customer_id is not null and ' ~ is_touched_key) %}
    {% do run_query('create or replace temp table renewed as (' ~ code | replace(raw.relation | string, 'temp.received_' ~ raw.name) ~ ')') %}
    {% do run_query('insert into internal.' ~ touched ~ ' select distinct customer_id from temp.renewed where customer_id is not null') %}
    {% do run_query('delete from ' ~ relation ~ ' where ' ~ is_touched_key) %}
    {% call statement('main') -%}
        insert into {{ relation }} by name from temp.renewed
    {%- endcall %}
    {% for table in ['touched_keys', 'received_' ~ raw.name, 'renewed'] %}{% do run_query('drop table temp.' ~ table) %}{% endfor %}
    {{ return(tables + [touched]) }}
{% endmacro %}


{% macro changed_files(received) %}
    {#- The raw files that were added, changed or taken away since the last run, as SQL texts; none where all rows can
        read otherwise now. -#}
    {% set before = fromjson(graph.recipes_before[received].content, {}) %}
    {% set now = fromjson(graph.recipes[received].content, {}) %}
    {% if not now.get('files') or before.get('read_as') != now.read_as %}{{ return(none) }}{% endif %}
    {% set changed = ["''"] %}
    {% for file in now.files if before.files.get(file) != now.files[file] %}{% do changed.append(quoted(file)) %}{% endfor %}
    {% for file in before.files if file not in now.files %}{% do changed.append(quoted(file)) %}{% endfor %}
    {{ return(changed | join(', ')) }}
{% endmacro %}


{% macro duckdb__keep_to_compare(relation) %}
    {% do run_query('create or replace temp table before as
        select customer_id, hash(row_of_it) as row_hash from ' ~ relation ~ ' as row_of_it') %}
{% endmacro %}


{% macro duckdb__touched_by_comparison(relation) %}
    {#- The customers who have other rows now that the table was made anew. -#}
    {% set touched = relation.identifier ~ '_touched' %}
    {% do run_query('create or replace table internal.' ~ touched ~ ' as
        select distinct customer_id
        from (
            (from temp.before except all select customer_id, hash(row_of_it) from ' ~ relation ~ ' as row_of_it)
            union all
            (select customer_id, hash(row_of_it) from ' ~ relation ~ ' as row_of_it except all from temp.before)
        )
        where customer_id is not null') %}
    {% do run_query('drop table temp.before') %}
    {{ return([touched]) }}
{% endmacro %}
