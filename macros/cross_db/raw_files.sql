{#- How one engine finds and reads raw files. Only DuckDB reads them in place so far. -#}

{% macro default__raw_files(name, folder) %}
    {{ exceptions.raise_compiler_error('RAW_DATA is read in place by DuckDB only; load the files as tables on ' ~ target.type ~ '.') }}
{% endmacro %}


{% macro duckdb__raw_files(name, folder) %}
    {#- Files with the same header make one part, which is read together. -#}
    {% set paths = duckdb__look('segmart_find_files', [folder, name]).paths %}
    {% set kind = (paths[0].split('.')[-1] if paths else 'missing') %}
    {% set parts = [] %}
    {% for path in paths %}
        {% set format = [raw_format().encoding, raw_format().delimiter] if kind == 'csv' else [] %}
        {% set label = path | replace(folder ~ '/', '') %}
        {% set file = duckdb__look('segmart_open_' ~ kind, [path, label] + format) %}
        {% set same = parts | selectattr('header', 'equalto', file.header) | list %}
        {% if same %}
            {% do same[0].paths.append(file.path) %}
        {% else %}
            {% do parts.append({'paths': [file.path], 'header': file.header, 'label': label, 'unended': []}) %}
        {% endif %}
        {% if file.unended_line %}
            {% do (same or parts)[-1].unended.append({'path': file.path, 'label': label, 'line': file.unended_line}) %}
        {% endif %}
    {% endfor %}
    {{ return({
        'kind': kind,
        'parts': parts,
        'label': parts[0].label if paths | length == 1 else name ~ '/ (' ~ paths | length ~ ' parts)' if paths else name,
    }) }}
{% endmacro %}


{% macro duckdb__look(function, arguments) %}
    {#- What Python found out; its sentence where the files cannot be read. -#}
    {% set quoted_arguments = [] %}
    {% for argument in arguments %}{% do quoted_arguments.append(quoted(argument)) %}{% endfor %}
    {% set answer = fromjson(run_query('select ' ~ function ~ '(' ~ quoted_arguments | join(', ') ~ ')').rows[0][0]) %}
    {% if answer.problem %}{{ exceptions.raise_compiler_error(answer.problem) }}{% endif %}
    {{ return(answer) }}
{% endmacro %}


{% macro duckdb__read_parquet(part) %}
    {{- return('read_parquet(' ~ exact_paths(part.paths) ~ ", union_by_name = true, filename = 'segmart_file', file_row_number = true)") -}}
{% endmacro %}


{% macro duckdb__read_csv(part, path, rejects) %}
    {#- Everything is given: nothing is sniffed, and a line that does not fit goes to the rejects table. Each file by
        itself, for its rows to be numbered from its own first. -#}
    {% set format = raw_format() %}
    {% set columns = [] %}
    {% for column in part.header %}{% do columns.append(quoted(column) ~ ": 'varchar'") %}{% endfor %}
    {{- return(
        'read_csv(' ~ exact_path(path) ~ ', auto_detect = false, header = true, columns = {' ~ columns | join(', ')
        ~ '}, delim = ' ~ quoted(format.delimiter) ~ ", quote = '\"', escape = '\"', strict_mode = true, "
        ~ 'max_line_size = 33554432, ignore_errors = true, store_rejects = true, rejects_limit = 0, '
        ~ 'rejects_scan = ' ~ quoted(rejects ~ '_scans') ~ ', rejects_table = ' ~ quoted(rejects) ~ ", filename = 'segmart_file')") -}}
{% endmacro %}


{% macro duckdb__raw_rows(source, seed) %}
    {#- One row per raw row: the contract's columns, then source_file, source_row and malformed_line. -#}
    (
    {%- if source.kind == 'seed' %}
        select
            {{ contract_select(source, source.parts[0].header) }},
            {{ quoted(source.label) }} as source_file,
            {{ 'cast(null as bigint)' if flags.EMPTY else 'rowid + 1' }} as source_row,
            cast(null as varchar) as malformed_line
        from {{ seed }}
    {%- elif source.kind == 'missing' %}
        select
            {{ contract_select(source, []) }},
            cast(null as varchar) as source_file,
            cast(null as bigint) as source_row,
            cast(null as varchar) as malformed_line
        where false
    {%- endif %}
    {%- set scans = [] %}
    {%- for part in source.parts if source.kind == 'parquet' %}
        {%- do scans.append({'header': part.header, 'row': 'file_row_number + 1', 'rows': duckdb__read_parquet(part)}) %}
    {%- endfor %}
    {%- for part in source.parts if source.kind == 'csv' %}
        {%- set rejects = duckdb__rejects_of(source.name, loop.index) %}
        {%- for path in part.paths %}
            {%- do scans.append({'header': part.header, 'row': 'row_number() over ()', 'rows': duckdb__read_csv(part, path, rejects)}) %}
        {%- endfor %}
    {%- endfor %}
    {%- for scan in scans %}
        {% if not loop.first %}union all{% endif %}
        select
            {{ contract_select(source, scan.header) }},
            split_part(segmart_file, '/', -1) as source_file,
            {{ scan.row }} as source_row,
            cast(null as varchar) as malformed_line
        from {{ scan.rows }}
        {%- if flags.EMPTY %} where false{% endif %}
    {%- endfor %}
    )
{%- endmacro %}


{% macro contract_select(source, header) %}
    {#- The contract's columns as this header writes them; what it lacks is null, of the type that other parts give it. -#}
    {%- set written = {} %}
    {%- for column in header %}{% do written.update({column | lower | trim: column}) %}{% endfor %}
    {%- for column in source.expected %}
            {% if not loop.first %}, {% endif -%}
        {% if column in written %}{{ adapter.quote(written[column] | replace('"', '""')) }}
        {%- elif column in source.types %}null
        {%- else %}cast(null as varchar)
        {%- endif %} as {{ column }}
    {%- endfor %}
{%- endmacro %}


{% macro duckdb__rejects_of(name, part_number) %}
    {{- return('rejects_' ~ name ~ '_' ~ part_number) -}}
{% endmacro %}


{% macro exact_path(path) %}
    {#- A path as a pattern that matches nothing else: DuckDB's readers take every path for a pattern. -#}
    {{- return(quoted(path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]'))) -}}
{% endmacro %}


{% macro exact_paths(paths) %}
    {% set items = [] %}
    {% for path in paths %}{% do items.append(exact_path(path)) %}{% endfor %}
    {{- return('[' ~ items | join(', ') ~ ']') -}}
{% endmacro %}


{% macro file_hash(path) %}
    {{ return(run_query('select segmart_file_hash(' ~ quoted(path) ~ ')').rows[0][0]) }}
{% endmacro %}


{% macro duckdb__files_of(folder) %}
    {{ return(duckdb__look('segmart_files_of', [folder]).paths) }}
{% endmacro %}


{% macro file_size(path) %}
    {{ return(run_query('select size from read_blob(' ~ exact_path(path) ~ ')').rows[0][0]) }}
{% endmacro %}


{% macro default__check_personas(features) %}
    {#- The fit reads the personas and says the same. -#}
{% endmacro %}


{% macro duckdb__check_personas(features) %}
    {% set path = graph.nodes['seed.' ~ project_name ~ '.personas'].original_file_path %}
    {% do duckdb__look('segmart_check_personas', [path, tojson(features)]) %}
{% endmacro %}
