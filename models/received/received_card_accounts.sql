select * from {{ raw('card_accounts') }} as raw_rows
