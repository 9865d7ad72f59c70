select * from {{ raw('campaigns') }} as raw_rows
