{#- Metrics (models/semantic): checked before a run, so that a wrong one builds nothing. -#}

{% macro check_metrics() %}
    {#- Every metric has its words, is a sum or a ratio of two sums, and names the mart column that tests hold it against. -#}
    {% if execute %}
        {% set models = models_by_name() %}
        {% set measures = {} %}
        {% for semantic_model in graph.semantic_models.values() %}
            {% for measure in semantic_model.measures %}
                {% do check_measure(semantic_model, measure, models[semantic_model.depends_on.nodes[0]]) %}
                {% do measures.update({measure.name: semantic_model}) %}
            {% endfor %}
        {% endfor %}
        {% set metrics = {} %}
        {% for metric in graph.metrics.values() %}{% do metrics.update({metric.name: metric}) %}{% endfor %}
        {% for metric in metrics.values() %}
            {% do check_metric(metric, metrics, measures, models) %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{% macro models_by_name() %}
    {#- {id and name: {columns, intervals}} of the models, the name being the latest version's: what their YAML lists, and
        which figures their `holds` tests in their interval. -#}
    {% set models = {} %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' %}
        {% set model = {'columns': node.columns | list, 'intervals': []} %}
        {% do models.update({node.unique_id: model}) %}
        {% if node.get('version') == node.get('latest_version') %}{% do models.update({node.name: model}) %}{% endif %}
    {% endfor %}
    {% for node in graph.nodes.values() if node.resource_type == 'test' and (node.get('test_metadata') or {}).get('name') == 'holds'
        and (node.get('attached_node') or '').startswith('model.') %}
        {% do models[node.attached_node].intervals.extend(node.test_metadata.kwargs.get('intervals', [])) %}
    {% endfor %}
    {{ return(models) }}
{% endmacro %}


{% macro check_measure(semantic_model, measure, model) %}
    {% set what = 'measure ' ~ measure.name %}
    {% set column = measure.expr or measure.name %}
    {% if measure.agg not in ['sum', 'sum_boolean', 'count'] %}
        {{ stop_at_metric(semantic_model, what, 'agg ' ~ measure.agg ~ ' does not add up over segments; use sum, sum_boolean or count') }}
    {% endif %}
    {% if column not in model.columns %}
        {{ stop_at_metric(semantic_model, what, 'there is no column ' ~ column ~ ' in ' ~ semantic_model.model
            ~ '; add it to the SQL and the YAML of the model, or name one of ' ~ model.columns | join(', ')) }}
    {% endif %}
    {% if column ~ '_low' in model.columns or modules.re.search('_(rate|share|median)$|_per_', column) %}
        {{ stop_at_metric(semantic_model, what, column ~ ' is a ratio, and ratios do not add up; sum its numerator and its '
            ~ 'denominator, and make a metric of type ratio of the two') }}
    {% endif %}
{% endmacro %}


{% macro check_metric(metric, metrics, measures, models) %}
    {% set what = 'metric ' ~ metric.name %}
    {% set type = metric.type | string %}
    {% set meta = metric.config.get('meta') or {} %}
    {% if not (metric.description or '').strip() %}
        {{ stop_at_metric(metric, what, 'description is missing; say in a sentence what is counted, and over whom') }}
    {% endif %}
    {% if not metric.label or metric.label == metric.name %}
        {{ stop_at_metric(metric, what, 'label is missing; give it the name that people read on a chart') }}
    {% endif %}
    {% if type not in ['simple', 'ratio'] %}
        {{ stop_at_metric(metric, what, 'type ' ~ type ~ ' equals no mart column; use simple or ratio, and put what else is needed into the mart') }}
    {% endif %}
    {% if type == 'ratio' %}
        {% for part in ['numerator', 'denominator'] %}
            {% set name = metric.type_params[part].name %}
            {% if metrics[name].type | string != 'simple' %}
                {{ stop_at_metric(metric, what, 'its ' ~ part ~ ' ' ~ name ~ ' is a ratio itself; a ratio is made of two sums: add a '
                    ~ 'metric of type simple for the sum, and name it') }}
            {% endif %}
        {% endfor %}
        {% set sum = metrics[metric.type_params.numerator.name] %}
    {% else %}
        {% set sum = metric %}
    {% endif %}
    {% set semantic_model = measures[sum.type_params.measure.name] %}
    {% set keys = (semantic_model.dimensions + semantic_model.entities) | map(attribute='name') | list %}
    {% for need in meta.get('needs', []) if need not in keys %}
        {{ stop_at_metric(metric, what, 'needs names ' ~ need ~ ', which is none of its dimensions and entities; there are '
            ~ keys | join(', ')) }}
    {% endfor %}
    {% set places = meta.get('agrees_with') %}
    {% if not places or places is string or places is mapping %}
        {{ stop_at_metric(metric, what, 'its test is missing; name the mart columns it must equal, as in config: {meta: '
            ~ '{agrees_with: [segment_engagement.ctr]}}') }}
    {% endif %}
    {% for place in places %}
        {% set mart = models.get(place.split('.')[0]) %}
        {% set column = place.split('.')[-1] %}
        {% if mart is none or place.split('.') | length != 2 %}
            {{ stop_at_metric(metric, what, 'agrees_with names ' ~ place ~ ', and there is no such mart; write mart.column') }}
        {% endif %}
        {% if column not in mart.columns %}
            {{ stop_at_metric(metric, what, 'agrees_with names ' ~ place ~ ', and the mart has no such column; add it to its SQL and '
                ~ 'its YAML') }}
        {% endif %}
        {% if column ~ '_low' in mart.columns and column not in mart.intervals %}
            {{ stop_at_metric(metric, what, 'nothing tests the interval of ' ~ place ~ '; add ' ~ column ~ ' to intervals of '
                ~ place.split('.')[0] ~ '_holds') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{% macro stop_at_metric(node, what, why) %}
    {{ exceptions.raise_compiler_error(node.original_file_path ~ ', ' ~ what ~ ': ' ~ why ~ '.') }}
{% endmacro %}
