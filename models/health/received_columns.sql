{{ config(schema='internal', contract={'enforced': false}) }}

with columns as (
    {% for name in raw_names() -%}
    {% do ref('raw_' ~ name) -%}
    {% set source = raw_source(name) if execute else {} -%}
    select
        cast(null as {{ text_type() }}) as entity,
        cast(null as {{ text_type() }}) as column_name,
        cast(null as {{ text_type() }}) as column_status
    where false
    {%- for status, columns in column_statuses(source).items() %}
    {%- for column in columns %}
    union all
    select '{{ name }}', {{ quoted(column) }}, '{{ status }}'
    {%- endfor %}
    {%- endfor %}
    {{ 'union all' if not loop.last }}
    {% endfor %}
    {%- for file in ignored_files() %}
    union all
    select 'RAW_DATA', {{ quoted(file) }}, 'ignored_file'
    {%- endfor %}
)

select * from columns
