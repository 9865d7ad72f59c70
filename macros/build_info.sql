{% macro raw_files_read() %}
    {#- Every file of this build: entity, file_name, path and content_hash. Of a file's place only its name counts. -#}
    {% for name in raw_names() %}{% do ref('raw_' ~ name) %}{% endfor %}
    {% set files = [] %}
    {% for name in (raw_names() if execute else []) %}
        {% set source = raw_source(name) %}
        {% set paths = [graph.nodes['seed.' ~ project_name ~ '.raw_' ~ name].original_file_path] if source.kind == 'seed' else [] %}
        {% for part in source.parts %}{% do paths.extend(part.paths) %}{% endfor %}
        {% for path in paths %}
            {% do files.append({'entity': name, 'file_name': path.split('/')[-1], 'path': path, 'content_hash': file_hash(path)}) %}
        {% endfor %}
    {% endfor %}
    {{ return(files) }}
{% endmacro %}


{% macro input_hash() %}
    {#- One hash over the bytes of every raw file, the same wherever the files lie. -#}
    {% set hashes = [] %}
    {% for file in raw_files_read() %}
        {% do hashes.append(file.entity ~ ':' ~ file.file_name ~ ':' ~ file.content_hash) %}
    {% endfor %}
    {{ return(local_md5(hashes | sort | join('\n'))) }}
{% endmacro %}
