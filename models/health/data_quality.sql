{{ config(post_hook="{{ stop_at_broken_rows() }}") }}

-- The hook counts broken rows where they lie.
{% for name in raw_names() -%}
-- depends_on: {{ ref('base_' ~ name) }}
{% endfor %}
with row_checks as (
    select * from {{ ref('int_received_row_checks') }}
),

unusual_columns as (
    select
        entity,
        column_status as check_type,
        column_name as check_name,
        cast(null as bigint) as row_count
    from {{ ref('received_columns') }}
    where column_status <> 'received'
),

doubtful_fits as (
    select distinct
        'customer_value' as entity,
        'model' as check_type,
        model || ': ' || case when fit_status = 'converged' then 'frequency_goes_with_value' else fit_status end as check_name,
        customer_count as row_count
    from {{ ref('customer_value_fits') }}
    where reason is not null
),

every_check as (
    select * from row_checks
    union all
    select * from unusual_columns
    union all
    select * from doubtful_fits
),

received as (
    select
        entity,
        row_count as received_count
    from row_checks
    where check_type = 'total' and check_name = 'received'
),

final as (
    select
        every_check.entity,
        every_check.check_type,
        every_check.check_name,
        every_check.row_count,
        {{ ratio('every_check.row_count', 'received.received_count') }} as row_share
    from every_check
    left join received on every_check.entity = received.entity
)

select * from final
