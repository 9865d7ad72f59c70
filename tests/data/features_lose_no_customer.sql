{#- Nor a transaction: the totals over features are those of staging, so that no join multiplied a row. -#}
with accepted_transactions as (
    select
        transactions.customer_id,
        count(*) as transaction_count,
        sum(case when transactions.transaction_type = 'deposit' then transactions.amount else 0 end) as deposit_amount,
        sum(case when transactions.transaction_type = 'withdrawal' then transactions.amount else 0 end) as withdrawal_amount
    from {{ ref('stg_transactions') }} as transactions
    cross join {{ ref('as_of') }} as as_of
    where transactions.transacted_on > {{ dbt.dateadd('day', -var('window_days'), 'as_of.as_of_on') }}
    group by transactions.customer_id
),

expected as (
    select
        customers.customer_id,
        coalesce(accepted_transactions.transaction_count, 0) as transaction_count,
        coalesce(accepted_transactions.deposit_amount, 0) as deposit_amount,
        coalesce(accepted_transactions.withdrawal_amount, 0) as withdrawal_amount
    from {{ ref('stg_customers') }} as customers
    left join accepted_transactions on customers.customer_id = accepted_transactions.customer_id
)

select
    expected.customer_id as expected_customer_id,
    features.customer_id,
    expected.transaction_count as expected_transaction_count,
    features.transaction_count
from expected
full outer join {{ ref('int_customer_features') }} as features on expected.customer_id = features.customer_id
where
    expected.customer_id is null
    or features.customer_id is null
    or expected.transaction_count <> features.transaction_count
    or expected.deposit_amount <> features.deposit_amount
    or expected.withdrawal_amount <> features.withdrawal_amount
