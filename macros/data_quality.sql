{% macro column_statuses(source) %}
    {#- The columns of one raw file by what became of them; a file that is not there has none. -#}
    {% if not source %}{{ return({}) }}{% endif %}
    {% if source.kind == 'missing' %}{{ return({'missing_file': [source.name]}) }}{% endif %}
    {{ return({
        'received': source.received,
        'missing_column': source.missing | reject('in', ['updated_at', 'is_deleted', 'currency']) | list,
        'ignored_column': source.ignored,
    }) }}
{% endmacro %}


{% macro ignored_files() %}
    {#- What else lies in the folder RAW_DATA: perhaps a raw file with a misspelt name. -#}
    {% set ignored = [] %}
    {% if execute and raw_folder() %}
        {% for path in adapter.dispatch('files_of', 'segmart')(raw_folder()) %}
            {% set name = path[raw_folder() | length + 1:].split('/')[0] %}
            {% set is_raw = name.split('.')[0] in raw_names() and (name.split('.')[1:] in [['csv'], ['parquet']] or '/' in path[raw_folder() | length + 1:]) %}
            {% if not is_raw and name != 'source_name.txt' and name not in ignored %}{% do ignored.append(name) %}{% endif %}
        {% endfor %}
    {% endif %}
    {{ return(ignored) }}
{% endmacro %}


{% macro is_broken_now(name) -%}
    {#- A broken row that counts towards the limit. With AS_OF given, what is later does not, nor what belongs to
        customers who joined later: it was asked to be left out. -#}
    row_status = 'broken'
    {%- if given_as_of() %}
        and broken_rules not like '%future_date%'
        {%- if 'customer_id' in contract_columns(name) %}
        and not (
            broken_rules like '%unknown_customer%'
            and customer_id in (select customer_id from {{ ref('base_customers') }} where broken_rules like '%future_date%')
        )
        {%- endif %}
    {%- endif %}
{%- endmacro %}


{% macro part_with_most_broken(name) %}
    {#- Words that name the one part of several that holds most of a raw file's broken rows; empty where none does. -#}
    {% set parts = run_query(
        'select source_file, count(case when ' ~ is_broken_now(name) ~ ' then 1 end) as broken_count from ' ~ ref('base_' ~ name)
        ~ ' group by source_file order by broken_count desc, source_file').rows %}
    {% if parts | length > 1 and 2 * parts[0][1] > parts | sum(attribute=1) %}
        {{ return(', and most in ' ~ parts[0][0] ~ ' (' ~ parts[0][1] ~ ')') }}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{% macro stop_at_broken_rows() %}
    {#- A build with too many broken rows of one entity is not to be trusted (var broken_share_limit). The first entity
        over it is named: without its rows those of later ones break too. -#}
    {% if execute and not flags.EMPTY %}
        {% set counted = [] %}
        {% for name in raw_names() %}
            {% do counted.append(
                'select ' ~ loop.index ~ " as position, '" ~ name ~ "' as entity, count(*) as received_count, count(case when " ~ is_broken_now(name)
                ~ ' then 1 end) as broken_count from ' ~ ref('base_' ~ name)) %}
        {% endfor %}
        {% set over_limit %}
            select entity, broken_count, received_count, rules.check_name, rules.row_count
            from ({{ counted | join(' union all ') }}) as counted
            inner join {{ this }} as rules using (entity)
            where rules.check_type = 'rule'
                and broken_count > {{ var('broken_share_limit') }} * received_count
            order by position, rules.row_count desc, rules.check_name
        {% endset %}
        {% set rows = run_query(over_limit).rows %}
        {% if rows %}
            {% set worst = [] %}
            {% for row in rows if row[0] == rows[0][0] and worst | length < 3 %}
                {% do worst.append(row[3] ~ ' (' ~ row[4] ~ ')') %}
            {% endfor %}
            {{ exceptions.raise_compiler_error(
                rows[0][0] ~ ': ' ~ rows[0][1] ~ ' of ' ~ rows[0][2] ~ ' rows are broken, more than the limit of '
                ~ '%g' % (100 * var('broken_share_limit')) ~ ' % (broken_share_limit); most by ' ~ worst | join(', ')
                ~ part_with_most_broken(rows[0][0])
                ~ ('. Mend the file, or set RAW_FORMAT to its encoding and delimiter' if rows[0][3] == 'malformed_line' else '. Mend the file')
                ~ '; quarantine.rejected_rows holds every row.') }}
        {% endif %}
    {% endif %}
{% endmacro %}
