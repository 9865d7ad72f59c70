select * from {{ raw('given_segments') }} as raw_rows
