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
    {% if format.delimiter | length != 1 %}
        {{ exceptions.raise_compiler_error('RAW_FORMAT gives a delimiter of several characters; use one, or the word tab.') }}
    {% endif %}
    {% if format.decimal not in ('.', ',') %}
        {{ exceptions.raise_compiler_error('RAW_FORMAT gives the decimal mark ' ~ format.decimal ~ '; use "." or ",".') }}
    {% endif %}
    {{ return(format) }}
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
    {#- What is there for one raw file: {kind: seed|csv|parquet|missing, parts: [{path, columns}], types,
        received, missing, ignored}. Stops the build where a required file or column is missing. -#}
    {% set folder = raw_folder() %}
    {% if folder %}
        {% set source = adapter.dispatch('raw_files', 'segmart')(name, folder) %}
    {% else %}
        {% set source = {'kind': 'seed', 'label': 'seeds/raw_' ~ name ~ '.csv', 'parts': [], 'types': {}} %}
        {% for column in adapter.get_columns_in_relation(ref('raw_' ~ name)) %}
            {% do source.types.update({column.name | lower: column.name}) %}
        {% endfor %}
        {#- Not loaded yet (docs, lint): the seed is what the contract says. -#}
        {% if not source.types %}
            {% for column in contract_columns(name) %}{% do source.types.update({column: column}) %}{% endfor %}
        {% endif %}
    {% endif %}
    {% set expected = contract_columns(name) %}
    {% do source.update({
        'name': name,
        'expected': expected,
        'received': expected | select('in', source.types) | list,
        'missing': expected | reject('in', source.types) | list,
        'ignored': source.types | reject('in', expected) | list,
    }) %}
    {% do stop_at_missing_columns(source) %}
    {{ return(source) }}
{% endmacro %}


{% macro stop_at_missing_columns(source) %}
    {% if source.kind == 'missing' %}
        {% if source.name == 'customers' %}
            {{ exceptions.raise_compiler_error(
                'RAW_DATA (' ~ raw_folder() ~ ') holds no customers.csv, customers.parquet or folder customers with parts; '
                ~ 'this file is required.') }}
        {% endif %}
        {% set needed = [] %}
    {% else %}
        {% set needed = source.missing | select('in', required_of(source.expected)) | list %}
        {% if needed %}
            {{ exceptions.raise_compiler_error(
                source.label ~ ' has no column ' ~ needed | join(', ') ~ '; it has '
                ~ (source.types.values() | map('string') | join(', '))[:200]
                ~ '. If that is one name, the delimiter is another: set RAW_FORMAT.') }}
        {% endif %}
    {% endif %}
    {% for column in source.missing %}
        {% set raw_column = source.name ~ '.' ~ column %}
        {% for segmentation in active_segmentations() %}
            {% for feature in segmentation.get('features', []) if raw_column in feature_raw_columns(feature.name) %}
                {{ exceptions.raise_compiler_error(
                    source.label ~ ' has no column ' ~ column ~ ', which the segmentation ' ~ segmentation.name
                    ~ ' uses for ' ~ feature.name ~ '; hand the column in, or change the specification.') }}
            {% endfor %}
        {% endfor %}
        {% if raw_column in published_columns() %}
            {{ exceptions.raise_compiler_error(
                source.label ~ ' has no column ' ~ column ~ ', which the last published build had; '
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


{% macro published_columns() %}
    {#- The raw columns of the last published build (file.column), less those given up by SEGMART_DROPPED. -#}
    {% set path = target.path | replace('warehouse.duckdb', 'published_columns.csv') %}
    {% set columns = [] %}
    {% if run_query("select file from glob(" ~ quoted(path) ~ ")").rows | length %}
        {% set dropped = env_var('SEGMART_DROPPED', '').split(',') %}
        {% for row in run_query("select entity || '.' || column_name from read_csv(" ~ quoted(path) ~ ", header = true, all_varchar = true)").rows %}
            {% if row[0] not in dropped %}{% do columns.append(row[0]) %}{% endif %}
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
    {% if run_query('select file from glob(' ~ quoted(path) ~ ')').rows | length %}
        {{ return(run_query('select trim(content) from read_text(' ~ quoted(path) ~ ')').rows[0][0].strip()) }}
    {% endif %}
    {{ return(folder.split('/')[-1]) }}
{% endmacro %}


{% macro quoted(text) %}
    {{- return("'" ~ text | replace("'", "''") ~ "'") -}}
{% endmacro %}
