{% macro input_hash() %}
    {#- One hash over the bytes of every raw file, the same wherever the files lie. -#}
    {% for name in raw_names() %}{% do ref('raw_' ~ name) %}{% endfor %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set hashes = [] %}
    {% for name in raw_names() %}
        {% set source = raw_source(name) %}
        {% if source.kind == 'seed' %}
            {% do hashes.append(name ~ ':' ~ file_hash(graph.nodes['seed.' ~ project_name ~ '.raw_' ~ name].original_file_path)) %}
        {% endif %}
        {% for part in source.parts %}
            {% for path in part.paths %}
                {% do hashes.append(name ~ ':' ~ path.split('/')[-1] ~ ':' ~ file_hash(path)) %}
            {% endfor %}
        {% endfor %}
    {% endfor %}
    {{ return(local_md5(hashes | sort | join('\n'))) }}
{% endmacro %}


