with counted as (
    {% for name in raw_names() %}
    select
        '{{ name }}' as entity,
        'received' as check_name,
        count(*) as row_count
    from {{ ref('received_' ~ name) }}
    union all
    select
        '{{ name }}' as entity,
        'accepted' as check_name,
        count(*) as row_count
    from {{ ref('stg_' ~ name) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    counted.entity,
    counted.check_name,
    counted.row_count,
    checks.row_count as row_count_on_record
from counted
left join {{ ref('data_quality') }} as checks
    on
        counted.entity = checks.entity
        and counted.check_name = checks.check_name
        and checks.check_type = 'total'
where counted.row_count <> coalesce(checks.row_count, 0)
