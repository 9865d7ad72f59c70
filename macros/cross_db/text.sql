{#- Text, types, JSON and time where engines differ. -#}

{% macro text_type() %}{{ return(adapter.dispatch('text_type', 'segmart')()) }}{% endmacro %}
{% macro default__text_type() %}{{ return('string') }}{% endmacro %}
{% macro duckdb__text_type() %}{{ return('varchar') }}{% endmacro %}


{% macro timestamptz_type() %}{{ return(adapter.dispatch('timestamptz_type', 'segmart')()) }}{% endmacro %}
{% macro default__timestamptz_type() %}{{ return('timestamp') }}{% endmacro %}
{% macro duckdb__timestamptz_type() %}{{ return('timestamptz') }}{% endmacro %}


{% macro trimmed(expression) -%}
    {#- Text without surrounding spaces, tabs and line ends. -#}
    {{- adapter.dispatch('trimmed', 'segmart')(expression) -}}
{%- endmacro %}
{% macro default__trimmed(expression) %}trim(both concat(' ', chr(9), chr(10), chr(13)) from {{ expression }}){% endmacro %}
{% macro duckdb__trimmed(expression) -%}
    {#- Looking at the ends costs a fifth of trimming, and next to no text needs any. -#}
    case
        when {{ expression }} < '!' {% for code in (9, 10, 13, 32) %}or suffix({{ expression }}, chr({{ code }})) {% endfor -%}
            then trim({{ expression }}, concat(' ', chr(9), chr(10), chr(13)))
        else {{ expression }}
    end
{%- endmacro %}


{% macro matches(expression, pattern) -%}
    {#- The whole text matches the pattern (ASCII classes, no backslashes). -#}
    {{- adapter.dispatch('matches', 'segmart')(expression, pattern) -}}
{%- endmacro %}
{% macro default__matches(expression, pattern) %}{{ expression }} rlike '^(?:{{ pattern }})$'{% endmacro %}
{% macro duckdb__matches(expression, pattern) %}regexp_full_match({{ expression }}, '{{ pattern }}'){% endmacro %}


{% macro parse_timestamp(expression, format) -%}
    {#- A timestamp from text by a strptime format; null where it does not fit. -#}
    {{- adapter.dispatch('parse_timestamp', 'segmart')(expression, format) -}}
{%- endmacro %}
{% macro duckdb__parse_timestamp(expression, format) %}try_strptime({{ expression }}, {{ quoted(format) }}){% endmacro %}


{% macro in_time_zone(expression) -%}
    {#- A moment as the clock of the warehouse's time zone shows it. -#}
    {{- adapter.dispatch('in_time_zone', 'segmart')(expression) -}}
{%- endmacro %}
{% macro default__in_time_zone(expression) %}from_utc_timestamp({{ expression }}, '{{ var('time_zone') }}'){% endmacro %}
{% macro duckdb__in_time_zone(expression) %}timezone('{{ var('time_zone') }}', {{ expression }}){% endmacro %}


{% macro row_struct(columns) -%}
    {#- Columns as one struct, so that a raw value and its typed value can have the same name. -#}
    {{- adapter.dispatch('row_struct', 'segmart')(columns) -}}
{%- endmacro %}
{% macro default__row_struct(columns) %}struct({{ columns | join(', ') }}){% endmacro %}
{% macro duckdb__row_struct(columns) -%}
    struct_pack(
        {%- for column in columns %}
            {{ column }} := {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
        )
{%- endmacro %}


{% macro hash_of(values) -%}
    {#- A whole number of 64 bits that equal values share; next to no others do. -#}
    {{- adapter.dispatch('hash_of', 'segmart')(values) -}}
{%- endmacro %}
{% macro default__hash_of(values) %}xxhash64({{ values | join(', ') }}){% endmacro %}
{% macro duckdb__hash_of(values) %}hash({{ values | join(', ') }}){% endmacro %}


{% macro as_json(expression) -%}
    {{- adapter.dispatch('as_json', 'segmart')(expression) -}}
{%- endmacro %}
{% macro default__as_json(expression) %}to_json({{ expression }}){% endmacro %}
{% macro duckdb__as_json(expression) %}cast(to_json({{ expression }}) as varchar){% endmacro %}


{% macro split_to_rows(expression) -%}
    {#- One row per part of a text separated by |, as an item of a select list. -#}
    {{- adapter.dispatch('split_to_rows', 'segmart')(expression) -}}
{%- endmacro %}
{% macro default__split_to_rows(expression) %}explode(split({{ expression }}, '[|]')){% endmacro %}
{% macro duckdb__split_to_rows(expression) %}unnest(string_split({{ expression }}, '|')){% endmacro %}


{% macro grouped_number(expression) -%}
    {#- A whole number as text with commas between thousands. -#}
    {{- adapter.dispatch('grouped_number', 'segmart')(expression) -}}
{%- endmacro %}
{% macro default__grouped_number(expression) %}format_number(cast({{ expression }} as bigint), 0){% endmacro %}
{% macro duckdb__grouped_number(expression) %}format('{:,}', cast({{ expression }} as bigint)){% endmacro %}


{% macro engine_version() -%}
    version()
{%- endmacro %}
