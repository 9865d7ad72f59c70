select * from {{ raw('product_holdings') }} as raw_rows
