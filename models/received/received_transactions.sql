select * from {{ raw('transactions') }} as raw_rows
