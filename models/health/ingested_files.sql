with read_now as (
    select
        cast(null as {{ text_type() }}) as entity,
        cast(null as {{ text_type() }}) as file_name,
        cast(null as {{ text_type() }}) as content_hash,
        cast(null as bigint) as byte_count
    where false
    {%- for file in raw_files_read() %}
    union all
    select {{ quoted(file.entity) }}, {{ quoted(file.file_name) }}, {{ quoted(file.content_hash) }}, {{ file_size(file.path) }}
    {%- endfor %}
),

files as (
    select * from {{ source('state', 'ingested_files') }}
    union all
    select
        read_now.*,
        as_of.as_of_on as first_as_of_on
    from read_now
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select
        entity,
        file_name,
        content_hash,
        max(byte_count) as byte_count,
        min(first_as_of_on) as first_as_of_on
    from files
    group by entity, file_name, content_hash
)

select * from final
