select * from {{ raw('claims') }} as raw_rows
