with
{% for name in raw_names() %}
received_{{ name }} as (
    select count(*) as received_count from {{ ref('received_' ~ name) }}
),

accepted_{{ name }} as (
    select count(*) as accepted_count from {{ ref('stg_' ~ name) }}
),

rejected_{{ name }} as (
    select
        count(case when row_status = 'broken' then 1 end) as broken_count,
        count(case when row_status = 'superseded' then 1 end) as superseded_count
    from {{ ref('rejected_rows') }}
    where entity = '{{ name }}'
),
{% endfor %}

counted as (
    {% for name in raw_names() %}
    select
        '{{ name }}' as entity,
        received_count,
        accepted_count,
        broken_count,
        superseded_count
    from received_{{ name }}
    cross join accepted_{{ name }}
    cross join rejected_{{ name }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select *
from counted
where received_count <> accepted_count + broken_count + superseded_count
