{#- Superseded rows broke nothing: both sides are needed, or the limit on broken rows counts the wrong ones. -#}
select
    entity,
    entity_key,
    row_status,
    broken_rules,
    source_file,
    source_row
from {{ ref('rejected_rows') }}
where (row_status = 'broken') <> (broken_rules is not null)
