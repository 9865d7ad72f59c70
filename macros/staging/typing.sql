{#- Types are given here, strictly for text and at no cost for columns that have their type already.
    `raw` is what received() returned; every macro is an expression over raw_row.<column>, null where
    the value cannot be typed. -#}

{% macro received(name) %}
    {#- The received relation of a raw file with the types of its columns, and which of them no file has. -#}
    {% set relation = ref('received_' ~ name) %}
    {% set types = {} %}
    {% set absent = [] %}
    {% if execute %}
        {% for column in adapter.get_columns_in_relation(relation) %}
            {% do types.update({column.name: column.dtype | lower}) %}
        {% endfor %}
        {% if raw_folder() and model.resource_type == 'model' %}
            {% set source = raw_source(name) %}
            {% do absent.extend(source.expected | reject('in', source.types)) %}
        {% endif %}
    {% endif %}
    {{ return({'name': name, 'relation': relation, 'types': types, 'absent': absent}) }}
{% endmacro %}


{% macro raw_type(raw, column) %}
    {#- text, integer, decimal, double, boolean, date, timestamp or timestamptz; text where unknown. -#}
    {% set type = raw.types.get(column, 'varchar') %}
    {% if type in ('varchar', 'string') or type.startswith('varchar(') %}{{ return('text') }}
    {% elif type.startswith('decimal') %}{{ return('decimal') }}
    {% elif type in ('tinyint', 'smallint', 'integer', 'int', 'bigint', 'hugeint', 'utinyint', 'usmallint', 'uinteger', 'ubigint', 'uhugeint') %}{{ return('integer') }}
    {% elif type in ('float', 'double', 'real') %}{{ return('double') }}
    {% elif type == 'timestamp with time zone' %}{{ return('timestamptz') }}
    {% elif type.startswith('timestamp') %}{{ return('timestamp') }}
    {% elif type in ('boolean', 'date') %}{{ return(type) }}
    {% else %}{{ return('other') }}{% endif %}
{% endmacro %}


{% macro raw_text(raw, column) -%}
    {#- The value as text without surrounding spaces; whole numbers without a decimal point, and null for the
        NaN that data frames write where a number is missing. -#}
    {%- set type = raw_type(raw, column) -%}
    {%- if column in raw.absent -%} cast(null as {{ text_type() }})
    {%- elif type == 'text' -%} {{ trimmed('raw_row.' ~ column) }}
    {%- elif type == 'double' -%}
        case
            when raw_row.{{ column }} = cast('nan' as double) then null
            when raw_row.{{ column }} = round(raw_row.{{ column }})
                then coalesce(cast(try_cast(raw_row.{{ column }} as bigint) as {{ text_type() }}), cast(raw_row.{{ column }} as {{ text_type() }}))
            else cast(raw_row.{{ column }} as {{ text_type() }})
        end
    {%- else -%} cast(raw_row.{{ column }} as {{ text_type() }}) {%- endif -%}
{%- endmacro %}


{% macro is_given(raw, column) -%}
    coalesce({{ raw_text(raw, column) }}, '') <> ''
{%- endmacro %}


{% macro to_text(raw, column) -%}
    nullif({{ raw_text(raw, column) }}, '')
{%- endmacro %}


{% macro to_code(raw, column) -%}
    {#- Text whose letter case carries no meaning: channels, products, types. -#}
    lower({{ to_text(raw, column) }})
{%- endmacro %}


{% macro to_integer(raw, column) -%}
    {%- set type = raw_type(raw, column) -%}
    {%- if type == 'integer' -%} try_cast(raw_row.{{ column }} as bigint)
    {%- elif type in ('decimal', 'double') -%}
        case when raw_row.{{ column }} = round(raw_row.{{ column }}) then try_cast(raw_row.{{ column }} as bigint) end
    {%- else -%}
        case
            when {{ matches(raw_text(raw, column), '[+-]?[0-9]+') }}
                then try_cast({{ raw_text(raw, column) }} as bigint)
        end
    {%- endif -%}
{%- endmacro %}


{% macro to_decimal(raw, column, scale=2) -%}
    {%- set decimal_type = 'decimal(18, ' ~ scale ~ ')' -%}
    {%- set type = raw_type(raw, column) -%}
    {%- if raw.types.get(column) == 'decimal(18,' ~ scale ~ ')' -%} raw_row.{{ column }}
    {%- elif type in ('integer', 'decimal', 'double') -%} try_cast(raw_row.{{ column }} as {{ decimal_type }})
    {%- else -%} try_cast({{ number_text(raw, column, exponent=false) }} as {{ decimal_type }})
    {%- endif -%}
{%- endmacro %}


{% macro to_double(raw, column) -%}
    {%- set type = raw_type(raw, column) -%}
    {%- if type in ('integer', 'decimal') -%} cast(raw_row.{{ column }} as double)
    {%- elif type == 'double' -%}
        {{ finite('cast(raw_row.' ~ column ~ ' as double)') }}
    {%- else -%} {{ finite('try_cast(' ~ number_text(raw, column, exponent=true) ~ ' as double)') }}
    {%- endif -%}
{%- endmacro %}


{% macro finite(expression, otherwise=none) -%}
    {#- The value; null, or another value, for infinities, NaN and what is close to them. -#}
    case when abs({{ expression }}) < 1e300 then {{ expression }}{% if otherwise %} else {{ otherwise }}{% endif %} end
{%- endmacro %}


{% macro number_text(raw, column, exponent) -%}
    {#- The text of a number with a decimal point; null for anything else (`infinity`, `1_000`, `0x1`). -#}
    {%- set mark = raw_format().decimal -%}
    {%- set digits = '[0-9]+([' ~ mark ~ '][0-9]*)?|[' ~ mark ~ '][0-9]+' -%}
    {%- set pattern = '[+-]?(' ~ digits ~ ')' ~ ('([eE][+-]?[0-9]+)?' if exponent else '') -%}
    case
        when {{ matches(raw_text(raw, column), pattern) }}
            then {% if mark == '.' %}{{ raw_text(raw, column) }}{% else %}replace({{ raw_text(raw, column) }}, '{{ mark }}', '.'){% endif %}
    end
{%- endmacro %}


{% macro to_boolean(raw, column) -%}
    {%- if raw_type(raw, column) == 'boolean' -%} raw_row.{{ column }}
    {%- else -%}
        case
            when lower({{ raw_text(raw, column) }}) in ('true', 't', 'yes', 'y', '1', 'on') then true
            when lower({{ raw_text(raw, column) }}) in ('false', 'f', 'no', 'n', '0', 'off') then false
        end
    {%- endif -%}
{%- endmacro %}


{% macro to_date(raw, column) -%}
    {%- set type = raw_type(raw, column) -%}
    {%- set format = raw_format().date -%}
    {%- if type == 'date' -%} {{ within('raw_row.' ~ column, "date '0001-01-01'", "date '9999-12-31'") }}
    {%- elif type in ('timestamp', 'timestamptz') -%} cast({{ to_timestamp(raw, column) }} as date)
    {%- elif format != 'iso' -%} cast({{ parsed_moment(raw, column, format) }} as date)
    {%- else -%}
        case
            when {{ matches(raw_text(raw, column), '[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]00:00(:00([.]0+)?)?)?') }}
                and substr({{ raw_text(raw, column) }}, 1, 4) <> '0000'
                then try_cast(substr({{ raw_text(raw, column) }}, 1, 10) as date)
        end
    {%- endif -%}
{%- endmacro %}


{% macro to_timestamp(raw, column) -%}
    {#- In the warehouse's time zone: converted from its offset where it has one, taken as is where not. -#}
    {%- set type = raw_type(raw, column) -%}
    {%- set format = raw_format().timestamp -%}
    {%- set day = '[0-9]{4}-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?' -%}
    {%- set offset = ' ?(Z|[+-]([01][0-9]|2[0-3])(:[0-5][0-9])?)' -%}
    {%- if type == 'date' -%} cast({{ to_date(raw, column) }} as timestamp)
    {%- elif type == 'timestamp' -%}
        {{ within('cast(raw_row.' ~ column ~ ' as timestamp)', "timestamp '0001-01-01'", "timestamp '9999-12-31'") }}
    {%- elif type == 'timestamptz' -%} {{ in_time_zone('raw_row.' ~ column) }}
    {%- elif format != 'iso' -%} {{ parsed_moment(raw, column, format) }}
    {%- else -%}
        case
            when substr({{ raw_text(raw, column) }}, 1, 4) = '0000' then null
            when {{ matches(raw_text(raw, column), day ~ '(' ~ time ~ ')?') }}
                then try_cast({{ raw_text(raw, column) }} as timestamp)
            when {{ matches(raw_text(raw, column), day ~ time ~ offset) }}
                then {{ in_time_zone('try_cast(' ~ moment_text(raw_text(raw, column)) ~ ' as ' ~ timestamptz_type() ~ ')') }}
        end
    {%- endif -%}
{%- endmacro %}


{% macro parsed_moment(raw, column, format) -%}
    {#- By RAW_FORMAT. Without the digits of its year a text is refused: engines read `epoch` and `infinity` too,
        and 25 as the year 25. -#}
    {%- set moment = parse_timestamp(raw_text(raw, column), format) -%}
    case
        when {{ matches(raw_text(raw, column), '.*[0-9]{' ~ (4 if '%Y' in format else 2) ~ '}.*') }}
            then {{ in_time_zone(moment) if '%z' in format else moment }}
    end
{%- endmacro %}


{% macro moment_text(text) -%}
    {#- With seconds and without a space before the offset, as engines read it. -#}
    concat(
        substr({{ text }}, 1, 10), 'T', substr({{ text }}, 12, 5),
        case when substr({{ text }}, 17, 1) = ':' then '' else ':00' end,
        replace(substr({{ text }}, 17), ' ', '')
    )
{%- endmacro %}


{% macro within(expression, low=none, high=none) -%}
    {#- The value, or null where it is out of range. -#}
    case
        when {% if low is not none %}{{ expression }} >= {{ low }}{% endif %}
            {%- if low is not none and high is not none %} and {% endif %}
            {%- if high is not none %}{{ expression }} <= {{ high }}{% endif %}
            then {{ expression }}
    end
{%- endmacro %}
