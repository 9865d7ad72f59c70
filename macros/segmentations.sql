{#- Segmentation specifications: read from vars, checked while dbt parses. -#}

{% macro transforms() %}{{ return(['none', 'log1p', 'sqrt', 'asinh']) }}{% endmacro %}


{% macro check_specifications() %}
    {#- Before a run: a malformed specification stops the parse, and a persona that does not fit one stops the run
        before anything is built. -#}
    {% set features = {} %}
    {% for specification in fitted(segmentations()) %}
        {% do features.update({specification.name: specification.features | map(attribute='name') | list}) %}
    {% endfor %}
    {% do check_segmentations_by_source() %}
    {% if execute and flags.WHICH in ('build', 'run', 'seed') %}
        {% do adapter.dispatch('check_personas', 'segmart')(features) %}
    {% endif %}
{% endmacro %}


{% macro check_segmentations_by_source() %}
    {% set by_source = var('segmentations_by_source') %}
    {% if by_source is not mapping or 'default' not in by_source %}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, segmentations_by_source: it maps each source to a list of segmentations, and default to '
            ~ 'that of all others; default is missing.') }}
    {% endif %}
    {% for source, names in by_source.items() if not names or names is string or names is mapping or names is not iterable %}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, segmentations_by_source, ' ~ source ~ ': ' ~ names ~ ' is no list of segmentations; write it like '
            ~ '[behaviour].') }}
    {% endfor %}
{% endmacro %}


{% macro segmentations() %}
    {#- Every specification, checked. -#}
    {% set all = var('segmentations') %}
    {% if not all or all is string or all is mapping or all is not iterable %}
        {{ exceptions.raise_compiler_error('dbt_project.yml, segmentations: a list of at least one specification is needed.') }}
    {% endif %}
    {% set names = [] %}
    {% for specification in var('segmentations') %}
        {% do check_segmentation(specification) %}
        {% if specification.name in names %}
            {{ stop_at_specification(specification.name, 'name', 'two specifications have it; names are unique') }}
        {% endif %}
        {% do names.append(specification.name) %}
    {% endfor %}
    {{ return(var('segmentations')) }}
{% endmacro %}


{% macro active_segmentations() %}
    {#- The specifications that run on this source (var segmentations_by_source). -#}
    {% set by_source = var('segmentations_by_source') %}
    {% set names = by_source.get(source_name(), by_source.default) %}
    {% set active = [] %}
    {% set known = [] %}
    {% for specification in segmentations() %}
        {% do known.append(specification.name) %}
        {% if specification.name in names %}{% do active.append(specification) %}{% endif %}
    {% endfor %}
    {% for name in names if name not in known %}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, segmentations_by_source: there is no segmentation ' ~ name ~ '; there are '
            ~ known | join(', ') ~ '.') }}
    {% endfor %}
    {% if not active %}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, segmentations_by_source: the source ' ~ source_name() ~ ' has none; name at least one.') }}
    {% endif %}
    {{ return(active) }}
{% endmacro %}


{% macro primary_segmentation() %}
    {#- Which segmentation is shown first (var primary_segmentation); where the source does not run it, the first it runs. -#}
    {% set primary = var('primary_segmentation') %}
    {% if primary not in segmentations() | map(attribute='name') %}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, primary_segmentation: there is no segmentation ' ~ primary ~ '; name one of '
            ~ segmentations() | map(attribute='name') | join(', ') ~ '.') }}
    {% endif %}
    {% set names = active_segmentations() | map(attribute='name') | list %}
    {{ return(primary if primary in names else names[0]) }}
{% endmacro %}


{% macro feature_raw_columns(name) %}
    {#- The raw columns a feature is made from, as file.column; [] for an unknown feature. -#}
    {% if name.startswith('attribute:') %}{{ return(['customer_attributes.' ~ name.split(':', 1)[1]]) }}{% endif %}
    {% if name.startswith('holds:') %}
        {{ return(['product_holdings.product', 'product_holdings.opened_on', 'product_holdings.closed_on']) }}
    {% endif %}
    {{ return(var('features').get(name, {}).get('raw_columns', [])) }}
{% endmacro %}


{% macro feature_model(name) %}
    {#- The model that holds a feature beside the grain's own; none where the grain's own does. -#}
    {{ return(var('features').get(name, {}).get('model')) }}
{% endmacro %}


{% macro feature_models(segmentation) %}
    {#- The models that a specification's features come from besides the grain's own. -#}
    {% set models = [] %}
    {% for feature in segmentation.features if feature_model(feature.name) and feature_model(feature.name) not in models %}
        {% do models.append(feature_model(feature.name)) %}
    {% endfor %}
    {{ return(models) }}
{% endmacro %}


{% macro entities_in_words(segmentation) -%}
    {#- What people call the entities of a segmentation, in the plural. -#}
    case {{ segmentation }}
        {%- for specification in segmentations() %}
        when {{ quoted(specification.name) }} then {{ quoted(var('grains')[specification.grain].plural) }}
        {%- endfor %}
        else 'customers'
    end
{%- endmacro %}


{% macro stop_at_specification(segmentation, key, what) %}
    {{ exceptions.raise_compiler_error('dbt_project.yml, segmentation ' ~ segmentation ~ ', ' ~ key ~ ': ' ~ what ~ '.') }}
{% endmacro %}


{% macro fitted(specifications) %}
    {#- Those that are fitted here; the others are handed in as labels (kind: given). -#}
    {% set found = [] %}
    {% for specification in specifications if specification.get('kind') != 'given' %}{% do found.append(specification) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro given(specifications) %}
    {% set found = [] %}
    {% for specification in specifications if specification.get('kind') == 'given' %}{% do found.append(specification) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro check_segmentation(specification) %}
    {% set is_given = specification is mapping and specification.get('kind') == 'given' %}
    {% set keys = ['name', 'grain', 'kind', 'inputs'] if is_given else ['name', 'grain', 'k', 'features', 'allow_protected', 'kind', 'k_range'] %}
    {% if specification is not mapping or specification.name is not string
        or not modules.re.fullmatch('[a-z][a-z0-9_]*', specification.name) %}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, segmentations: a specification needs a name of lower-case letters, digits and _; this one has '
            ~ (specification.name if specification is mapping else specification) ~ '.') }}
    {% endif %}
    {% set name = specification.name %}
    {% for key in specification if key not in keys %}
        {{ stop_at_specification(name, key, 'no such key; there are ' ~ keys | join(', ')) }}
    {% endfor %}
    {% for key in (['grain'] if is_given else ['grain', 'k', 'features']) if key not in specification %}
        {{ stop_at_specification(name, key, 'it is missing; every specification has name, grain, k and features') }}
    {% endfor %}
    {% if specification.grain not in var('grains') %}
        {{ stop_at_specification(name, 'grain', specification.grain ~ ' is none; allowed are ' ~ var('grains') | join(', ')) }}
    {% endif %}
    {% if specification.get('kind') not in (none, 'given') %}
        {{ stop_at_specification(name, 'kind', specification.kind ~ ' is none; leave it out for one that is fitted here, or say given') }}
    {% endif %}
    {% if is_given %}
        {% if specification.get('inputs') is string or specification.get('inputs') is mapping %}
            {{ stop_at_specification(name, 'inputs', 'it lists raw columns as file.column, or is left out where nobody knows') }}
        {% endif %}
        {{ return('') }}
    {% endif %}
    {% do check_k(specification) %}
    {% if not specification.features or specification.features is string or specification.features is mapping %}
        {{ stop_at_specification(name, 'features', 'a list of at least one feature is needed') }}
    {% endif %}
    {% set seen = [] %}
    {% for feature in specification.features %}
        {% do check_feature(specification, feature) %}
        {% if feature.name in seen %}{{ stop_at_specification(name, 'features', feature.name ~ ' stands there twice') }}{% endif %}
        {% do seen.append(feature.name) %}
    {% endfor %}
    {% set allowed = specification.get('allow_protected', {}) %}
    {% if allowed and not (allowed is mapping and allowed.get('reason') and allowed.get('features') and allowed.features is not string) %}
        {{ stop_at_specification(name, 'allow_protected', 'it needs a reason and the list of features it allows') }}
    {% endif %}
{% endmacro %}


{% macro is_k(number) %}
    {{ return(number is integer and number is not boolean and number >= 1 and number <= 20) }}
{% endmacro %}


{% macro check_k(specification) %}
    {% set k_range = specification.get('k_range') %}
    {% if specification.k != 'auto' and not is_k(specification.k) %}
        {{ stop_at_specification(specification.name, 'k', specification.k
            ~ ' is no number of segments; use a whole number from 1 to 20, or auto') }}
    {% endif %}
    {% if 'k_range' in specification and specification.k != 'auto' %}
        {{ stop_at_specification(specification.name, 'k_range', 'it goes with k: auto alone; leave it out, or say k: auto') }}
    {% endif %}
    {% if 'k_range' in specification and not (k_range is sequence and k_range is not string and k_range is not mapping
        and k_range | length == 2 and is_k(k_range[0]) and is_k(k_range[1]) and k_range[0] < k_range[1]) %}
        {{ stop_at_specification(specification.name, 'k_range', k_range
            ~ ' is no range; use two whole numbers from 1 to 20, the smaller first, as in [2, 8]') }}
    {% endif %}
{% endmacro %}


{% macro largest_k(specification) %}
    {#- How many segments a fit of the specification can have; segmentation.fit.LARGEST_AUTO_K where auto has no range. -#}
    {{ return(specification.k if specification.k != 'auto' else specification.get('k_range', [1, 10])[1]) }}
{% endmacro %}


{% macro check_feature(specification, feature) %}
    {% set name = specification.name %}
    {% if feature is not mapping or feature.name is not string %}
        {{ stop_at_specification(name, 'features', 'each one is a mapping with name, transform and missing') }}
    {% endif %}
    {% set keys = ['name', 'transform', 'missing', 'values'] %}
    {% for key in feature if key not in keys %}
        {{ stop_at_specification(name, feature.name ~ '.' ~ key, 'no such key; there are ' ~ keys | join(', ')) }}
    {% endfor %}
    {% for key in ['transform', 'missing'] if key not in feature %}
        {{ stop_at_specification(name, feature.name ~ '.' ~ key, 'it is missing; every feature has name, transform and missing') }}
    {% endfor %}
    {% set raw_columns = feature_raw_columns(feature.name) %}
    {% set known = [] %}
    {% for key, value in var('features').items() if value.grain == specification.grain %}{% do known.append(key) %}{% endfor %}
    {% set named = ['attribute:NAME', 'holds:PRODUCT'] if specification.grain == 'customer' else [] %}
    {% if not raw_columns or (feature.name not in known and (':' not in feature.name or not named))
        or not modules.re.fullmatch('((attribute|holds):)?[a-z][a-z0-9_]*', feature.name) %}
        {{ stop_at_specification(name, 'features', 'there is no feature ' ~ feature.name ~ ' of grain ' ~ specification.grain
            ~ '; there are ' ~ (known + named) | join(', ')) }}
    {% endif %}
    {% if feature.transform not in transforms() %}
        {{ stop_at_specification(name, feature.name ~ '.transform', feature.transform ~ ' is none; allowed are ' ~ transforms() | join(', ')) }}
    {% endif %}
    {% if feature.missing not in ['median', 'mean', 'zero'] %}
        {{ stop_at_specification(name, feature.name ~ '.missing', feature.missing ~ ' is no rule; allowed are median, mean and zero') }}
    {% endif %}
    {% set values = feature.get('values') %}
    {% if values is not none and (not values or values is not mapping or values.values() | reject('number') | list
        or values.values() | select('boolean') | list or values.values() | map('string') | select('in', ['nan', 'inf', '-inf']) | list) %}
        {{ stop_at_specification(name, feature.name ~ '.values', 'it maps each text to a number, at least one') }}
    {% endif %}
    {% set allowed = specification.get('allow_protected', {}) %}
    {% for raw_column in raw_columns %}
        {% set is_outcome = raw_column.startswith('campaign_engagements.') %}
        {% if (is_outcome or raw_column in var('protected_raw_columns'))
            and not (allowed is mapping and allowed.get('reason') and feature.name in allowed.get('features', [])) %}
            {{ stop_at_specification(name, feature.name, 'it is made from ' ~ raw_column ~ ', '
                ~ ('an outcome' if is_outcome else 'a protected column')
                ~ '; leave it out, or list it under allow_protected with a reason') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{% macro named_features(segmentations, kind) %}
    {#- {column: name} of the attribute: or holds: features in use. -#}
    {% set columns = {} %}
    {% for segmentation in segmentations %}
        {% for feature in segmentation.get('features', []) if feature.name.startswith(kind ~ ':') %}
            {% do columns.update({feature.name | replace(':', '_'): feature.name.split(':', 1)[1]}) %}
        {% endfor %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{% macro widest_segmentation() %}
    {#- How many features the specification with the most has. -#}
    {% set widths = [] %}
    {% for specification in fitted(segmentations()) %}{% do widths.append(specification.features | length) %}{% endfor %}
    {{ return(widths | max) }}
{% endmacro %}


{% macro natural_column(position) %}{{ return('natural_' ~ '%02d' % position) }}{% endmacro %}
{% macro value_column(position) %}{{ return('value_' ~ '%02d' % position) }}{% endmacro %}


{% macro feature_value(feature) -%}
    {#- A feature as a number in its natural unit: a column of the features model, an attribute, or a product held. -#}
    {%- if feature.name.startswith('attribute:') -%}
        {%- set column = 'attributes.' ~ feature.name | replace(':', '_') -%}
    {%- elif feature.name.startswith('holds:') -%}
        {%- set column = 'coalesce(holdings.' ~ feature.name | replace(':', '_') ~ ', 0)' -%}
    {%- else -%}
        {%- set column = (feature_model(feature.name) or 'features') ~ '.' ~ feature.name -%}
    {%- endif -%}
    {%- if feature.get('values') is not none -%}
        case lower({{ column }})
            {%- for text, number in feature['values'].items() %} when {{ quoted(text | lower) }} then {{ number }}{% endfor %} end
    {%- elif feature.name.startswith('attribute:') -%} {{ finite('try_cast(' ~ column ~ ' as double)') }}
    {%- else -%} {{ column }} {%- endif -%}
{%- endmacro %}


{% macro transformed(expression, transform) -%}
    {#- Null where the transform is not defined; the missing-value rule then applies. -#}
    {%- if transform == 'none' -%} {{ expression }}
    {%- elif transform == 'log1p' -%} case when {{ expression }} > -1 then ln(1 + {{ expression }}) end
    {%- elif transform == 'sqrt' -%} case when {{ expression }} >= 0 then sqrt({{ expression }}) end
    {%- elif transform == 'asinh' -%} asinh({{ expression }})
    {%- endif -%}
{%- endmacro %}
