with received_rows as {{ inlined() }} (
    {% for name in raw_names() -%}
    select
        '{{ name }}' as entity,
        row_status,
        broken_rules,
        blanked_columns
    from {{ ref('base_' ~ name) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

totals as (
    select
        entity,
        count(*) as received,
        count(case when row_status = 'accepted' then 1 end) as accepted,
        count(case when row_status = 'accepted' and blanked_columns is not null then 1 end) as blanked,
        count(case when row_status = 'broken' then 1 end) as broken,
        count(case when row_status = 'superseded' then 1 end) as superseded
    from received_rows
    group by entity
),

entities as (
    {% for name in raw_names() -%}
    select '{{ name }}' as entity {{ 'union all' if not loop.last }}
    {% endfor %}
),

total_rows as (
    {% for total in ['received', 'accepted', 'blanked', 'broken', 'superseded'] -%}
    select
        entities.entity,
        'total' as check_type,
        '{{ total }}' as check_name,
        coalesce(totals.{{ total }}, 0) as row_count
    from entities
    left join totals on entities.entity = totals.entity
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

rules as (
    select
        entity,
        'rule' as check_type,
        {{ split_to_rows('broken_rules') }} as check_name
    from received_rows
    where broken_rules is not null
),

blanks as (
    select
        entity,
        'blanked' as check_type,
        {{ split_to_rows('blanked_columns') }} as check_name
    from received_rows
    where blanked_columns is not null and row_status = 'accepted'
),

found as (
    select * from rules
    union all
    select * from blanks
),

counted as (
    select
        entity,
        check_type,
        check_name,
        count(*) as row_count
    from found
    group by entity, check_type, check_name
),

final as (
    select * from total_rows
    union all
    select * from counted
)

select * from final
