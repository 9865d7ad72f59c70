{#- How one engine finds and reads raw files. Only DuckDB reads them in place so far. -#}

{% macro default__raw_files(name, folder) %}
    {{ exceptions.raise_compiler_error('RAW_DATA is read in place by DuckDB only; load the files as tables on ' ~ target.type ~ '.') }}
{% endmacro %}


{% macro duckdb__raw_files(name, folder) %}
    {% set paths = [] %}
    {% set query %}
        select file
        from glob([
            {{ quoted(folder ~ '/' ~ name ~ '.csv') }}, {{ quoted(folder ~ '/' ~ name ~ '.parquet') }},
            {{ quoted(folder ~ '/' ~ name ~ '/*.csv') }}, {{ quoted(folder ~ '/' ~ name ~ '/*.parquet') }}
        ])
        order by file
    {% endset %}
    {% for row in run_query(query).rows %}{% do paths.append(row[0]) %}{% endfor %}
    {% set parquet = [] %}
    {% set csv = [] %}
    {% for path in paths %}
        {% do (parquet if path.endswith('.parquet') else csv).append(path) %}
    {% endfor %}
    {% set single = [folder ~ '/' ~ name ~ '.csv', folder ~ '/' ~ name ~ '.parquet'] %}
    {% if (csv and parquet) or (paths | length > 1 and paths | select('in', single) | list) %}
        {{ exceptions.raise_compiler_error(
            'RAW_DATA holds ' ~ name ~ ' more than once (' ~ (paths | map('replace', folder ~ '/', '') | join(', '))[:120]
            ~ '); keep one file, or one folder of parts of one kind.') }}
    {% endif %}
    {% set source = {'kind': 'csv' if csv else 'parquet' if parquet else 'missing', 'parts': [], 'types': {}} %}
    {% do source.update({'label': (paths[0].split('/')[-1] if paths | length == 1 else name ~ '/ (' ~ paths | length ~ ' parts)') if paths else name}) %}
    {% if csv %}{% do duckdb__look_at_csv(csv, source) %}{% endif %}
    {% if parquet %}{% do duckdb__look_at_parquet(parquet, source) %}{% endif %}
    {{ return(source) }}
{% endmacro %}


{% macro duckdb__look_at_csv(paths, source) %}
    {#- Parts with the same header are read together. -#}
    {% set format = raw_format() %}
    {% for path in paths %}
        {% set answer = fromjson(run_query(
            'select segmart_open_csv(' ~ quoted(path) ~ ', ' ~ quoted(format.encoding) ~ ', ' ~ quoted(format.delimiter) ~ ')'
        ).rows[0][0]) %}
        {% if answer.problem %}{{ exceptions.raise_compiler_error(answer.problem) }}{% endif %}
        {% set same = source.parts | selectattr('header', 'equalto', answer.header) | list %}
        {% if same %}
            {% do same[0].paths.append(answer.path) %}
        {% else %}
            {% do source.parts.append({'paths': [answer.path], 'header': answer.header}) %}
        {% endif %}
        {% for column in answer.header %}{% do source.types.setdefault(column | lower, column) %}{% endfor %}
    {% endfor %}
{% endmacro %}


{% macro duckdb__look_at_parquet(paths, source) %}
    {% do source.parts.append({'paths': paths}) %}
    {% for row in run_query('describe select * from ' ~ duckdb__read_parquet(paths)).rows %}
        {% if row[0] not in ('filename', 'file_row_number') %}
            {% do source.types.update({row[0] | lower | trim: row[0]}) %}
        {% endif %}
    {% endfor %}
{% endmacro %}


{% macro duckdb__read_parquet(paths) %}
    {{- return('read_parquet(' ~ quoted_list(paths) ~ ', union_by_name = true, filename = true, file_row_number = true)') -}}
{% endmacro %}


{% macro duckdb__read_csv(part, rejects) %}
    {#- Everything is given: nothing is sniffed, and a line that does not fit goes to the rejects table. -#}
    {% set format = raw_format() %}
    {% set columns = [] %}
    {% for column in part.header %}{% do columns.append(quoted(column) ~ ": 'varchar'") %}{% endfor %}
    {{- return(
        'read_csv(' ~ quoted_list(part.paths) ~ ', auto_detect = false, header = true, columns = {' ~ columns | join(', ')
        ~ '}, delim = ' ~ quoted(format.delimiter) ~ ", quote = '\"', escape = '\"', strict_mode = true, "
        ~ 'max_line_size = 33554432, ignore_errors = true, store_rejects = true, rejects_limit = 0, '
        ~ 'rejects_scan = ' ~ quoted(rejects ~ '_scans') ~ ', rejects_table = ' ~ quoted(rejects) ~ ', filename = true)') -}}
{% endmacro %}


{% macro duckdb__raw_rows(source, seed) %}
    {#- One row per raw row: the contract's columns, then source_file, source_row and malformed_line. -#}
    (
    {%- if source.kind == 'seed' %}
        select
            {{ contract_select(source, source.types) }},
            {{ quoted(source.label) }} as source_file,
            {{ 'cast(null as bigint)' if flags.EMPTY else 'rowid + 1' }} as source_row,
            cast(null as varchar) as malformed_line
        from {{ seed }}
    {%- elif source.kind == 'parquet' %}
        select
            {{ contract_select(source, source.types) }},
            split_part(filename, '/', -1) as source_file,
            file_row_number + 1 as source_row,
            cast(null as varchar) as malformed_line
        from {{ duckdb__read_parquet(source.parts[0].paths) }}
        {%- if flags.EMPTY %} where false{% endif %}
    {%- elif source.kind == 'csv' %}
        {%- for part in source.parts %}
        {% if not loop.first %}union all{% endif %}
        {%- set written = {} %}
        {%- for column in part.header %}{% do written.update({column | lower: column}) %}{% endfor %}
        select
            {{ contract_select(source, written) }},
            split_part(filename, '/', -1) as source_file,
            row_number() over () as source_row,
            cast(null as varchar) as malformed_line
        from {{ duckdb__read_csv(part, duckdb__rejects_of(source.name, loop.index)) }}
        {%- if flags.EMPTY %} where false{% endif %}
        {%- endfor %}
    {%- else %}
        select
            {{ contract_select(source, {}) }},
            cast(null as varchar) as source_file,
            cast(null as bigint) as source_row,
            cast(null as varchar) as malformed_line
        where false
    {%- endif %}
    )
{%- endmacro %}


{% macro contract_select(source, written) %}
    {%- for column in source.expected %}
            {% if not loop.first %}, {% endif -%}
        {% if column in written %}{{ adapter.quote(written[column] | replace('"', '""')) }}{% else %}cast(null as varchar){% endif %} as {{ column }}
    {%- endfor %}
{%- endmacro %}


{% macro duckdb__rejects_of(name, part_number) %}
    {{- return('rejects_' ~ name ~ '_' ~ part_number) -}}
{% endmacro %}


{% macro quoted_list(texts) %}
    {% set items = [] %}
    {% for text in texts %}{% do items.append(quoted(text)) %}{% endfor %}
    {{- return('[' ~ items | join(', ') ~ ']') -}}
{% endmacro %}


{% macro file_hash(path) %}
    {{ return(run_query('select segmart_file_hash(' ~ quoted(path) ~ ')').rows[0][0]) }}
{% endmacro %}


{% macro duckdb__files_of(folder) %}
    {% set files = [] %}
    {% for row in run_query('select file from glob([' ~ quoted(folder ~ '/*') ~ ', ' ~ quoted(folder ~ '/*/*') ~ ']) order by file').rows %}
        {% do files.append(row[0]) %}
    {% endfor %}
    {{ return(files) }}
{% endmacro %}
