{% materialization received, adapter='duckdb' %}
    {#- A view over a seed or over Parquet files. CSV files are read once, into a table, because reading
        them costs a parse; the lines that do not parse become rows with nothing but malformed_line. -#}
    {%- set existing = adapter.get_relation(this.database, this.schema, this.identifier) -%}
    {%- set source = raw_source(model.name | replace('received_', '')) -%}
    {%- set kind = 'table' if source.kind == 'csv' and not flags.EMPTY else 'view' -%}
    {%- set files = {} -%}
    {% for path in source.parts | sum(attribute='paths', start=[]) %}{% do files.update({path.split('/')[-1]: file_hash(path)}) %}{% endfor %}
    {%- set recipe = recipe_of(sql, files.values() | list) -%}
    {% if is_unchanged(recipe) %}{{ return(left_as_it_is(this.incorporate(type=kind))) }}{% endif %}

    {{ run_hooks(pre_hooks) }}
    {% if existing is not none and existing.type != kind %}
        {{ drop_relation(existing) }}
    {% endif %}
    {% if kind == 'table' %}
        {% for part in source.parts %}
            {% do run_query('drop table if exists ' ~ duckdb__rejects_of(source.name, loop.index)) %}
            {% do run_query('drop table if exists ' ~ duckdb__rejects_of(source.name, loop.index) ~ '_scans') %}
        {% endfor %}
    {% endif %}
    {% call statement('main') -%}
        create or replace {{ kind }} {{ this }} as {{ sql }}
    {%- endcall %}
    {% if kind == 'table' %}{% do keep_malformed_lines(source) %}{% endif %}
    {{ run_hooks(post_hooks) }}

    {% set target_relation = this.incorporate(type=kind) %}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {% do remember(recipe, tojson({'read_as': read_as(source), 'files': files}, sort_keys=true) if files else none) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{% macro read_as(source) %}
    {#- A hash of how files are read, whichever they are: with the names of those that changed since the last run it says
        which rows can have. -#}
    {% set parts = [] %}
    {% for part in source.parts %}{% do parts.append(dict(part, paths=[''])) %}{% endfor %}
    {{ return(local_md5(duckdb__raw_rows(dict(source, parts=parts), none))) }}
{% endmacro %}


{% macro keep_malformed_lines(source) %}
    {#- One row per line that could not be read. A quote that is not closed in its line swallows lines without
        number: that stops the build. DuckDB keeps the first 10,000 characters of a line. -#}
    {% for part in source.parts %}
        {% set rejects = duckdb__rejects_of(source.name, loop.index) %}
        {% set rejected_lines %}
            select
                scans.file_path,
                split_part(scans.file_path, '/', -1) as source_file,
                errors.line as source_row,
                min(errors.csv_line) as malformed_line,
                bool_or(errors.error_type in ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM'))
                    and (contains(rtrim(min(errors.csv_line), chr(10)), chr(10)) or length(min(errors.csv_line)) >= 10000)
                    as is_swallowing
            from {{ rejects }} as errors
            inner join {{ rejects }}_scans as scans
                on errors.scan_id = scans.scan_id and errors.file_id = scans.file_id
            group by all
        {% endset %}
        {% set swallowed = run_query(
            'select source_file, source_row from (' ~ rejected_lines ~ ') where is_swallowing order by all limit 1').rows %}
        {% if swallowed %}
            {{ exceptions.raise_compiler_error(
                swallowed[0][0] ~ ', line ' ~ swallowed[0][1] ~ ': a quote opens there and is not closed, or the line is longer '
                ~ 'than 32 MB, so that the lines after it cannot be told apart; close or double the quote in that line.') }}
        {% endif %}
        {#- A line that neither parses nor ends is where writing or sending the file broke off. -#}
        {% for file in part.unended %}
            {% if run_query(
                'select 1 from (' ~ rejected_lines ~ ') where file_path = ' ~ quoted(file.path)
                ~ ' and ends_with(rtrim(malformed_line, chr(10)), ' ~ quoted(file.line) ~ ')').rows %}
                {{ exceptions.raise_compiler_error(
                    file.label ~ ' ends inside its last line, as a file does that was not written or sent to its end; '
                    ~ 'hand it in again, whole.') }}
            {% endif %}
        {% endfor %}
        {% do run_query(
            'insert into ' ~ this ~ ' by name select source_file, source_row, malformed_line from (' ~ rejected_lines ~ ')') %}
    {% endfor %}
{% endmacro %}
