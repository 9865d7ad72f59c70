{#- What happens to a row: accepted, broken or superseded. -#}

{% macro names_where(conditions) -%}
    {#- The names whose condition holds, as text separated by |; null where none does. Next to no row has any, and
        asking that first spares all others the text. -#}
    case
        when {% for condition in conditions.values() %}({{ condition }}){{ ' or ' if not loop.last }}{% endfor %}
            then concat_ws(
                '|'
                {%- for name, condition in conditions.items() %},
                case when {{ condition }} then '{{ name }}' end
                {%- endfor %}
            )
    end
{%- endmacro %}


{% macro broken_rules(keys, rules) -%}
    {#- `keys` hold for every delivery; `rules` not for one that only says the row is deleted. -#}
    {%- set conditions = {'malformed_line': 'malformed_line is not null'} -%}
    {%- for key in keys -%}
        {%- do conditions.update({'missing_' ~ key: 'malformed_line is null and ' ~ key ~ ' is null'}) -%}
    {%- endfor -%}
    {%- for name, condition in dict(rules, other_currency=other_currency()).items() -%}
        {%- do conditions.update({name: 'malformed_line is null and not coalesce(is_deleted, false) and (' ~ condition ~ ')'}) -%}
    {%- endfor -%}
    {{ names_where(conditions) }}
{%- endmacro %}


{% macro other_currency() -%}
    lower(currency) <> '{{ var('currency') | lower }}'
{%- endmacro %}


{% macro blanked_columns(raw, columns) -%}
    {#- Optional columns whose value was given and could not be kept. -#}
    {%- set conditions = {} -%}
    {%- for column in columns + ['updated_at', 'is_deleted'] -%}
        {%- do conditions.update({column: column ~ ' is null and ' ~ is_given(raw, column)}) -%}
    {%- endfor -%}
    {{ names_where(conditions) }}
{%- endmacro %}


{% macro received_rows(raw) -%}
    {#- The received relation with each row's columns as one struct, raw_row. -#}
    select
        source_file,
        source_row,
        malformed_line,
        {{ row_struct(contract_columns(raw.name) if execute else ['source_file']) }} as raw_row
    from {{ raw.relation }}
{%- endmacro %}


{% macro repeated_keys(raw, keys) -%}
    {#- The hashes of keys that came more than once: only rows with such a key have to be compared, and they are few.
        Two keys with the same hash are compared in vain. -#}
    select {{ hash_of(keys.values()) }} as key_hash
    from ({{ received_rows(raw) }}) as received
    group by {{ hash_of(keys.values()) }}
    having count(*) > 1
{%- endmacro %}


{% macro keyed_rows(raw, keys, repeated) -%}
    {#- The received rows, and whether a row's key is one of those repeated. -#}
    {%- if graph.keyed is defined %}{% do graph.keyed.update({model.unique_id: {'raw': raw, 'keys': keys}}) %}{% endif %}
    select
        received.source_file,
        received.source_row,
        received.malformed_line,
        {{ row_struct(contract_columns(raw.name) if execute else ['source_file']) }} as raw_row,
        repeated.key_hash is not null as is_repeated
    from {{ raw.relation }} as received
    left join {{ repeated }} as repeated on {{ hash_of(keys.values()) | replace('raw_row.', 'received.') }} = repeated.key_hash
{%- endmacro %}


{% macro delivery_columns(raw, keys) -%}
    {#- What every raw row carries besides its own columns, and its key. -#}
    source_file,
        source_row,
        malformed_line,
        raw_row,
        is_repeated,
        {{ to_timestamp(raw, 'updated_at') }} as updated_at,
        {{ to_boolean(raw, 'is_deleted') }} as is_deleted,
        {{ to_text(raw, 'currency') }} as currency
        {%- for key, value in keys.items() %},
        {{ value }} as {{ key }}
        {%- endfor %}
{%- endmacro %}


{% macro with_row_status(relation, keys, known_by=none) -%}
    {#- Of the unbroken deliveries of one key the last wins (then the last file by name, then the last line);
        a key whose last delivery is deleted is gone. With known_by (a date column) the last delivery known by
        then wins; a key first delivered later has its first one. -#}
    select
        *,
        case
            when broken_rules is not null then 'broken'
            when delivery_number = 1 and not coalesce(is_deleted, false) then 'accepted'
            else 'superseded'
        end as row_status
    from (
        select
            *,
            1 as delivery_number
        from {{ relation }}
        where not is_repeated
        union all
        select
            *,
            row_number() over (
                partition by
                    {% for key in keys %}{{ key }}, {% endfor %}broken_rules is null
                order by
                    {%- if known_by %}
                    case when cast(updated_at as date) > {{ known_by }} then updated_at end asc nulls first,
                    {%- endif %}
                    updated_at desc nulls last,
                    source_file desc nulls last,
                    source_row desc nulls last
            ) as delivery_number
        from {{ relation }}
        where is_repeated
    ) as numbered
{%- endmacro %}


{% macro row_status_columns() -%}
    {#- The last columns of every base model; the raw row, whether it was deleted and when it was updated among its
        columns, is kept where it was not accepted. -#}
    row_status,
        broken_rules,
        blanked_columns,
        source_file,
        source_row,
        case
            when row_status <> 'accepted' then coalesce(malformed_line, {{ as_json('raw_row') }})
        end as raw_row
{%- endmacro %}
