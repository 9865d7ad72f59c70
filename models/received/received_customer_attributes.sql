select * from {{ raw('customer_attributes') }} as raw_rows
