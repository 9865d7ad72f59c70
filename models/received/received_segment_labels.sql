select * from {{ raw('segment_labels') }} as raw_rows
