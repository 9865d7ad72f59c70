{#- Where the raw layer comes from: the seeds, or the files of the folder named by RAW_DATA.
    Nothing else in the project knows which. -#}

{% macro raw(name) %}
    {#- The rows of one raw file as a subquery: the contract's columns as received (text for CSV and
        seeds, their own types for Parquet), then source_file and source_row. Missing columns are null. -#}
    {% set seed = ref('raw_' ~ name) %}
    {% if not execute %}
        (select * from {{ seed }})
    {% else %}
        {{ return(adapter.dispatch('raw_rows', 'segmart')(raw_source(name), seed)) }}
    {% endif %}
{% endmacro %}


{% macro raw_folder() %}
    {#- The absolute folder of RAW_DATA, or '' for the seeds. -#}
    {% set folder = env_var('RAW_DATA', '').rstrip('/') %}
    {% if folder and not folder.startswith('/') %}
        {% set folder = env_var('PWD', '') ~ '/' ~ folder %}
    {% endif %}
    {{ return(folder) }}
{% endmacro %}


{% macro raw_names() %}
    {{ return([
        'customers', 'product_holdings', 'card_accounts',
        'campaigns', 'campaign_engagements',
        'transactions', 'digital_sessions',
        'customer_attributes', 'given_segments', 'claims', 'segment_labels',
    ]) }}
{% endmacro %}


{% macro raw_format() %}
    {#- RAW_FORMAT is YAML, e.g. {delimiter: ";", decimal: ",", date: "%d.%m.%Y"}; given, never guessed. -#}
    {% set known = {'delimiter': ',', 'decimal': '.', 'date': 'iso', 'timestamp': 'iso', 'encoding': 'utf-8'} %}
    {% set text = env_var('RAW_FORMAT', '') %}
    {% if not text %}{{ return(known) }}{% endif %}
    {% set given = fromyaml(text) %}
    {% if given is not mapping %}
        {{ exceptions.raise_compiler_error(
            'RAW_FORMAT reads ' ~ text ~ ', which is no YAML mapping; write it like {delimiter: ";", decimal: ","}.') }}
    {% endif %}
    {% for key, value in given.items() %}
        {% if key not in known %}
            {{ exceptions.raise_compiler_error(
                'RAW_FORMAT has the unknown key ' ~ key ~ '; known are ' ~ known | join(', ') ~ '.') }}
        {% endif %}
        {% if value is not string or not value %}
            {{ exceptions.raise_compiler_error('RAW_FORMAT gives ' ~ key ~ ' no text; put its value in quotes.') }}
        {% endif %}
    {% endfor %}
    {% set format = dict(known, **given) %}
    {% if format.delimiter == 'tab' %}{% do format.update({'delimiter': '\t'}) %}{% endif %}
    {% if format.delimiter | length != 1 or format.delimiter in '"\r\n' %}
        {{ exceptions.raise_compiler_error(
            'RAW_FORMAT gives the delimiter ' ~ format.delimiter ~ '; use one character, not a quote or a line end, or the word tab.') }}
    {% endif %}
    {% if format.decimal not in ('.', ',') %}
        {{ exceptions.raise_compiler_error('RAW_FORMAT gives the decimal mark ' ~ format.decimal ~ '; use "." or ",".') }}
    {% endif %}
    {% for key in ['date', 'timestamp'] if format[key] != 'iso' and not modules.re.fullmatch(strptime_pattern(), format[key]) %}
        {{ exceptions.raise_compiler_error(
            'RAW_FORMAT gives the ' ~ key ~ ' format ' ~ format[key] ~ '; write it with %Y or %y, %m, %d, %H, %M, %S, such as "%d.%m.%Y", or iso.') }}
    {% endfor %}
    {{ return(format) }}
{% endmacro %}


{% macro strptime_pattern() %}
    {#- A date format: known specifiers only, and a year among them. -#}
    {{ return('(?=.*%-?[Yy])([^%]|%-?[aAbBdfgHIjmMpSyYzZ%])+') }}
{% endmacro %}


{% macro contract_columns(name) %}
    {#- What the contract expects of a raw file, from the columns of its seed: {column: is_required}. -#}
    {% set node = graph.nodes['seed.' ~ project_name ~ '.raw_' ~ name] %}
    {% set columns = {} %}
    {% for column in node.columns.values() %}
        {% do columns.update({column.name: column.config.meta.get('required', false)}) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{% macro raw_source(name) %}
    {#- What is there for one raw file: {kind: seed|csv|parquet|missing, label, parts: [{paths, header, label, unended}],
        expected, types: {column: as written}, received, missing, ignored, lacking: {column: the part without it}}.
        A column that one part lacks is missing. Stops the build where a required file or column is missing.
        Models ask for the same thing dozens of times a run and are told what was found first. -#}
    {% set folder = raw_folder() %}
    {% set found = graph.setdefault('raw_sources', {}) %}
    {% set of = [invocation_id, folder] %}
    {% if found.get(name, {}).of == of %}{{ return(found[name].source) }}{% endif %}
    {% set expected = contract_columns(name) %}
    {% if folder %}
        {% set source = adapter.dispatch('raw_files', 'segmart')(name, folder) %}
    {% else %}
        {% set header = adapter.get_columns_in_relation(ref('raw_' ~ name)) | map(attribute='name') | list %}
        {#- Not loaded yet (docs, lint): the seed is what the contract says. -#}
        {% set label = 'seeds/raw_' ~ name ~ '.csv' %}
        {% set source = {'kind': 'seed', 'label': label, 'parts': [{'paths': [], 'header': header or expected | list, 'label': label}]} %}
    {% endif %}
    {% set types = {} %}
    {% set lacking = {} %}
    {% for part in source.parts %}
        {% set names = part.header | map('lower') | map('trim') | list %}
        {% for column in names %}{% do types.update({column: part.header[loop.index0]}) %}{% endfor %}
        {% for column in expected if column not in names %}{% do lacking.setdefault(column, part) %}{% endfor %}
    {% endfor %}
    {% do source.update({
        'name': name,
        'expected': expected,
        'types': types,
        'lacking': lacking,
        'received': expected | select('in', types) | reject('in', lacking) | list,
        'missing': expected | select('in', lacking) | list,
        'ignored': types | reject('in', expected) | list,
    }) %}
    {% if source.kind == 'missing' %}{% do stop_at_missing_file(source) %}{% endif %}
    {% do stop_at_missing_columns(source) %}
    {#- Before the models, seeds may still have the columns of the last run. -#}
    {% if model is defined and model.resource_type == 'model' %}
        {% do found.update({name: {'of': of, 'source': source}}) %}
    {% endif %}
    {{ return(source) }}
{% endmacro %}


{% macro stop_at_missing_file(source) %}
    {% set names = source.name ~ '.csv, ' ~ source.name ~ '.parquet or folder ' ~ source.name ~ ' with parts' %}
    {% if source.name == 'customers' %}
        {{ exceptions.raise_compiler_error('RAW_DATA (' ~ raw_folder() ~ ') holds no ' ~ names ~ '; this file is required.') }}
    {% endif %}
    {% if published_columns(source.name) %}
        {{ exceptions.raise_compiler_error(
            'RAW_DATA (' ~ raw_folder() ~ ') holds no ' ~ names ~ ', which the last published build had; hand it in, or, '
            ~ 'if it is gone for good, set SEGMART_DROPPED=' ~ source.name ~ '.') }}
    {% endif %}
{% endmacro %}


{% macro stop_at_missing_columns(source) %}
    {% set required = required_of(source.expected) %}
    {% for column in source.missing if column in required %}
        {% set part = source.lacking[column] %}
        {{ exceptions.raise_compiler_error(
            part.label ~ ' has no column ' ~ (source.missing | select('in', required) | join(', ')) ~ '; it has '
            ~ (part.header | join(', '))[:200]
            ~ '. If that is one name, the delimiter is another: set RAW_FORMAT.') }}
    {% endfor %}
    {% set running = [] %}
    {% for segmentation in (active_segmentations() if source.missing else [])
        if not (source.kind == 'missing' and var('grains')[segmentation.grain].raw_file == source.name) %}
        {% do running.append(segmentation) %}
    {% endfor %}
    {% set published = published_columns(source.name) if source.missing else [] %}
    {% for column in source.missing %}
        {% set label = source.lacking[column].label %}
        {% set raw_column = source.name ~ '.' ~ column %}
        {% for segmentation in running %}
            {% for feature in segmentation.get('features', []) if raw_column in feature_raw_columns(feature.name) %}
                {{ exceptions.raise_compiler_error(
                    label ~ ' has no column ' ~ column ~ ', which the segmentation ' ~ segmentation.name
                    ~ ' uses for ' ~ feature.name ~ '; hand the column in, or change the specification.') }}
            {% endfor %}
        {% endfor %}
        {% if column in published %}
            {{ exceptions.raise_compiler_error(
                label ~ ' has no column ' ~ column ~ ', which the last published build had; '
                ~ 'if it was renamed, name it as before; if it is gone for good, set SEGMART_DROPPED='
                ~ raw_column ~ '.') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{% macro required_of(expected) %}
    {% set required = [] %}
    {% for column, is_required in expected.items() if is_required %}{% do required.append(column) %}{% endfor %}
    {{ return(required) }}
{% endmacro %}


{% macro published_columns(name) %}
    {#- The columns a raw file had in the last published build, less those (or the file) given up by SEGMART_DROPPED. -#}
    {% set path = target.path | replace('warehouse.duckdb', 'published_columns.csv') %}
    {% set columns = [] %}
    {% set dropped = env_var('SEGMART_DROPPED', '') | replace(' ', '') %}
    {% set dropped = dropped.split(',') %}
    {% if name not in dropped and is_file(path) %}
        {% for row in run_query('select entity, column_name from read_csv(' ~ exact_path(path) ~ ', header = true, all_varchar = true)').rows %}
            {% if row[0] == name and row[0] ~ '.' ~ row[1] not in dropped %}{% do columns.append(row[1]) %}{% endif %}
        {% endfor %}
    {% endif %}
    {{ return(columns) }}
{% endmacro %}


{% macro source_name() %}
    {#- What a build calls its source: demo, what an importer wrote into source_name.txt, or the folder's name. -#}
    {% set folder = raw_folder() %}
    {% if not folder %}{{ return('demo') }}{% endif %}
    {% if not execute %}{{ return(folder.split('/')[-1]) }}{% endif %}
    {% set path = folder ~ '/source_name.txt' %}
    {% if is_file(path) %}
        {{ return(run_query('select content from read_text(' ~ exact_path(path) ~ ')').rows[0][0].strip()) }}
    {% endif %}
    {{ return(folder.split('/')[-1]) }}
{% endmacro %}


{% macro is_file(path) %}
    {{ return(run_query('select file from glob(' ~ exact_path(path) ~ ')').rows | length > 0) }}
{% endmacro %}


{% macro quoted(text) %}
    {{- return("'" ~ text | replace("'", "''") ~ "'") -}}
{% endmacro %}
