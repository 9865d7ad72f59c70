select * from {{ raw('customers') }} as raw_rows
