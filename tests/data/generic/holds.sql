{% test holds(model, unique=[], not_null=[], in_range=[], in_order=[], intervals=[]) %}

{#- The rows that break each promise. -#}
{%- set broken_by = {} %}
{%- for column in not_null %}
{%- do broken_by.update({column ~ ' is not null': column ~ ' is null'}) %}
{%- endfor %}
{%- for range in in_range %}
{#- A range without an end would pass whatever the column holds. -#}
{%- if range.min is not defined and range.max is not defined %}
{{ exceptions.raise_compiler_error('in_range on ' ~ model.identifier ~ ' has neither min nor max; give one.') }}
{%- endif %}
{%- for column in range.columns %}
{%- if range.min is defined %}{% do broken_by.update({column ~ ' >= ' ~ range.min: column ~ ' < ' ~ range.min}) %}{% endif %}
{%- if range.max is defined %}{% do broken_by.update({column ~ ' <= ' ~ range.max: column ~ ' > ' ~ range.max}) %}{% endif %}
{%- endfor %}
{%- endfor %}
{%- for chain in in_order %}
{%- for item in chain[:-1] %}
{%- do broken_by.update({item ~ ' <= ' ~ chain[loop.index]: item ~ ' > ' ~ chain[loop.index]}) %}
{%- endfor %}
{%- endfor %}
{%- for estimate in intervals %}
{%- do broken_by.update({estimate ~ ' lies in its interval': is_outside_interval(estimate)}) %}
{%- endfor %}
{%- if not unique and not broken_by %}
{{ exceptions.raise_compiler_error('holds on ' ~ model.identifier ~ ' promises nothing; say what.') }}
{%- endif %}

{% if broken_by -%}
with counted as (
    select
        {%- for condition in broken_by.values() %}
        count(case when {{ condition }} then 1 end) as broken_row_count_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
)
{%- endif %}

{% if unique -%}
select
    {{ quoted('one row per ' ~ unique | join(', ')) }} as promise,
    count(*) as broken_row_count
from (
    select {{ unique | join(', ') }}
    from {{ model }}
    group by {{ unique | join(', ') }}
    having
        count(*) > 1
        {%- for column in unique %}
        or {{ column }} is null
        {%- endfor %}
) as repeated
having count(*) > 0
{{ 'union all' if broken_by }}
{%- endif %}
{% for promise in broken_by %}
select
    {{ quoted(promise) }} as promise,
    broken_row_count_{{ loop.index }} as broken_row_count
from counted
where broken_row_count_{{ loop.index }} > 0
{{ 'union all' if not loop.last }}
{%- endfor %}

{% endtest %}
