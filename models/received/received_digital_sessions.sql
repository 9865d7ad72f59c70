select * from {{ raw('digital_sessions') }} as raw_rows
