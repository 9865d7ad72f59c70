-- A published study of customers and their transactions, one row per customer, to the raw contract.
-- Its clusters are in a second file, df_k4.csv, which must lie beside the input: one row per
-- customer in the same order, without ids. Seven columns that both files have are compared row by
-- row, and the first row that differs ends the import with a sentence. In the study's file no two
-- customers agree in these columns, so every label belongs to exactly one of them.
--
-- Every date below is chosen, but for the distance of a transaction to the as-of day.
--   as-of day       2024-12-31. The file does not give it: it says how many days before it each
--                   transaction was, 60 to 2. So all lie between 2024-11-01 and 2024-12-29, and a
--                   warehouse that looks for the last day with events finds 2024-12-29. All numbers
--                   are the same as of either day.
--   purchases       2024-12-29, the last day with a transaction: after all that is known of the
--                   customer, and not after either as-of day.
--   known before    2023-12-01. What a customer already was or had when the trailing 365 days
--                   began, whichever of the two as-of days they end on.
-- Seasons, tenure, and what came first, a purchase or a transaction, cannot be learned from this
-- source. It has no impressions and no clicks: which campaigns a customer was in is an attribute.
--
-- Assumed of the file: UTF-8, commas, one header line, one row per customer. A value that is no
-- number where a number is due, and a list that cannot be read, end the import with
-- a sentence. "housing" and "loan" are read as a housing loan and a personal loan, as in the public
-- bank marketing set that has these columns with these names and values.

set variable as_of_on = date '2024-12-31';
set variable purchases_on = date '2024-12-29';
set variable known_before_on = date '2023-12-01';
-- One transaction of a list, as the file writes it: [-55, 'Withdrawal', 3929.99].
set variable listed = '\[-?\d+, ''[A-Za-z ]+'', -?\d+(?:\.\d+)?\]';

-- Not an entity: temporary tables stay behind. Each column gets its type and its name here, so
-- that a missing column or a wrong type is found before anything is made.
create temporary table study as
with received as (
    -- Nothing is left to detection: a line that does not fit ends the import, none is skipped.
    select
        row_number() over () as row_number,
        *
    from read_csv(
        getvariable('input'),
        delim = ',',
        quote = '"',
        escape = '"',
        header = true,
        skip = 0,
        comment = '',
        strict_mode = true,
        null_padding = false,
        all_varchar = true
    )
),

typed as (
    select
        received.row_number,
        received."customer id" as customer_id,
        -- The order of the tables. Follows the ids, not the line order of the file.
        row_number() over (order by received."customer id") as customer_number,
        cast(received.age as bigint) as age,
        received.gender,
        received.marital as marital_status,
        received."education level" as education,
        received.job,
        cast(received."income/month" as decimal(18, 2)) as monthly_income,
        cast(received."account balance" as decimal(18, 2)) as account_balance,
        cast(received."loyalty score" as decimal(18, 2)) as loyalty_score,
        -- An empty cell is an empty list.
        coalesce(received."type of campaign(s)", '[]') as campaign_types,
        lower(trim(received."prev campaign success")) as previous_campaign_success,
        coalesce(received."Transaction history", '[]') as transaction_history,
        cast(received.housing as boolean) as has_housing_loan,
        cast(received.loan as boolean) as has_personal_loan,
        cast(received."has customer bought product" as boolean) as has_bought_advertised_product,
        cast(cast(received."has customer churned" as boolean) as bigint) as has_churned
    from received
),

-- What does not look like a transaction or a name would vanish below, so the whole list must be of
-- them.
checked as (
    select
        *,
        case
            when
                not regexp_full_match(
                    transaction_history,
                    '\[(' || getvariable('listed') || '(, ' || getvariable('listed') || ')*)?\]'
                )
                then error(
                    'customer ' || coalesce(customer_id, 'without id')
                    || ' has a transaction history that is no list of [days, type, amount]'
                )
            when not regexp_full_match(campaign_types, '\[(''\w+''(, ''\w+'')*)?\]')
                then error(
                    'customer ' || coalesce(customer_id, 'without id')
                    || ' has campaign types that are no list of names'
                )
            else true
        end as has_readable_lists
    from typed
)

select * exclude (has_readable_lists)
from checked
where has_readable_lists;


-- One row per transaction of the lists. Days are counted from the as-of day, earlier ones negative.
create temporary table listed_transactions as
with one_row_a_transaction as (
    select
        row_number,
        customer_id,
        customer_number,
        unnest(regexp_extract_all(transaction_history, getvariable('listed'))) as transaction_text,
        generate_subscripts(regexp_extract_all(transaction_history, getvariable('listed')), 1) as list_position
    from study
),

cut as (
    select
        *,
        regexp_extract(
            transaction_text,
            '\[(-?\d+), ''([A-Za-z ]+)'', (-?\d+(?:\.\d+)?)\]',
            ['days', 'transaction_type', 'amount']
        ) as parts
    from one_row_a_transaction
)

select
    row_number,
    customer_id,
    customer_number,
    list_position,
    cast(parts.days as integer) as days,
    lower(trim(parts.transaction_type)) as transaction_type,
    cast(parts.amount as decimal(18, 2)) as amount
from cut;


create temporary table labels_file_is_there as
select
    case
        when count(*) = 0 then error('the labels file df_k4.csv must lie in the same folder')
        else true
    end as is_there
from glob(getvariable('folder') || '/df_k4.csv');


create temporary table labels_received as
select
    row_number() over () as row_number,
    *
from read_csv(
    getvariable('folder') || '/df_k4.csv',
    delim = ',',
    quote = '"',
    escape = '"',
    header = true,
    skip = 0,
    comment = '',
    strict_mode = true,
    null_padding = false,
    all_varchar = true
);


-- Said here and not left to the database, whose sentence would blame the study's own file.
create temporary table labels_file_is_complete as
with needed as (
    select
        unnest(
            [
                'age',
                'income/month',
                'account balance',
                'loyalty score',
                'total_withdrawals',
                'total_deposits',
                'transaction_count',
                'Cluster'
            ]
        ) as column_name
),

found as (
    select lower(column_name) as column_name
    from duckdb_columns()
    where table_name = 'labels_received'
)

select
    case
        when count(*) > 0
            then error('the labels file df_k4.csv beside it has no column "' || min(needed.column_name) || '"')
        else true
    end as is_complete
from needed
left join found on lower(needed.column_name) = found.column_name
where found.column_name is null;


create temporary table labels as
with totals as (
    select
        row_number,
        sum(amount) filter (where transaction_type = 'withdrawal') as withdrawal_amount,
        sum(amount) filter (where transaction_type = 'deposit') as deposit_amount,
        count(*) as transaction_count
    from listed_transactions
    group by row_number
),

in_the_study as (
    select
        study.row_number,
        study.customer_id,
        study.customer_number,
        {
            'age': study.age,
            'income/month': study.monthly_income,
            'account balance': study.account_balance,
            'loyalty score': study.loyalty_score,
            'total_withdrawals': cast(coalesce(totals.withdrawal_amount, 0) as decimal(18, 2)),
            'total_deposits': cast(coalesce(totals.deposit_amount, 0) as decimal(18, 2)),
            'transaction_count': coalesce(totals.transaction_count, 0)
        } as compared
    from study
    left join totals on study.row_number = totals.row_number
),

in_the_labels as (
    select
        row_number,
        'cluster ' || try_cast(cluster as bigint) as cluster_name,
        {
            'age': try_cast(age as bigint),
            'income/month': try_cast("income/month" as decimal(18, 2)),
            'account balance': try_cast("account balance" as decimal(18, 2)),
            'loyalty score': try_cast("loyalty score" as decimal(18, 2)),
            'total_withdrawals': try_cast(total_withdrawals as decimal(18, 2)),
            'total_deposits': try_cast(total_deposits as decimal(18, 2)),
            'transaction_count': try_cast(transaction_count as bigint)
        } as compared
    from labels_received
),

side_by_side as (
    select
        coalesce(in_the_study.row_number, in_the_labels.row_number) as row_number,
        in_the_study.customer_id,
        in_the_study.customer_number,
        in_the_labels.cluster_name,
        in_the_study.compared as study_values,
        in_the_labels.compared as label_values
    from in_the_study
    full join in_the_labels on in_the_study.row_number = in_the_labels.row_number
),

-- One sentence names the first row that does not fit.
first_difference as (
    select
        min(row_number) filter (where study_values is distinct from label_values) as row_number,
        min(row_number) filter (where cluster_name is null) as row_number_without_cluster,
        count(study_values) as study_row_count,
        count(label_values) as label_row_count
    from side_by_side
),

checked as (
    select
        side_by_side.customer_id,
        side_by_side.customer_number,
        side_by_side.cluster_name,
        case
            when first_difference.study_row_count <> first_difference.label_row_count
                then error(
                    'the labels file df_k4.csv beside it has ' || first_difference.label_row_count
                    || ' rows, and it has ' || first_difference.study_row_count
                )
            when first_difference.row_number is not null
                then error(
                    'the labels file df_k4.csv beside it has other customers or another order: row '
                    || first_difference.row_number || ' below the header differs in age, income, '
                    || 'balance, loyalty score or transactions'
                )
            when first_difference.row_number_without_cluster is not null
                then error(
                    'the labels file df_k4.csv beside it has no whole number as "Cluster" in row '
                    || first_difference.row_number_without_cluster || ' below the header'
                )
            else true
        end as fits
    from side_by_side
    cross join first_difference
)

select * exclude (fits)
from checked
where fits;


-- birth_year is the one that gives the study's age on the as-of day. joined_on is unknown: everybody
-- is a customer through the whole window, and tenure means nothing.
create table customers as
select
    customer_id,
    getvariable('known_before_on') as joined_on,
    year(getvariable('as_of_on')) - age as birth_year,
    gender,
    marital_status,
    education,
    job,
    monthly_income,
    account_balance,
    loyalty_score
from study
order by customer_number;


-- Loans were there before the window. A purchase is a new holding of a product of its own name: the
-- study does not say which product was advertised.
create table product_holdings as
with all_holdings as (
    select
        customer_id,
        customer_number,
        'owned-housing_loan' as origin,
        'housing_loan' as product,
        getvariable('known_before_on') as opened_on
    from study
    where has_housing_loan

    union all

    select
        customer_id,
        customer_number,
        'owned-personal_loan' as origin,
        'personal_loan' as product,
        getvariable('known_before_on') as opened_on
    from study
    where has_personal_loan

    union all

    select
        customer_id,
        customer_number,
        'bought-advertised_product' as origin,
        'advertised_product' as product,
        getvariable('purchases_on') as opened_on
    from study
    where has_bought_advertised_product
)

select
    customer_id || '-' || origin as holding_id,
    customer_id,
    product,
    opened_on,
    cast(null as date) as closed_on
from all_holdings
order by customer_number, holding_id;


-- The study's own transactions. An id is the customer's and the place in the customer's list. An
-- amount of zero or less, or a day after the as-of day (the study has neither), is handed on as it
-- is, for the contract to reject and count.
create table transactions as
select
    customer_id || '-' || list_position as transaction_id,
    customer_id,
    -- Noon, so that no time zone moves a transaction to another day.
    cast(cast(getvariable('as_of_on') as date) + days as timestamp) + interval 12 hours as transacted_at,
    transaction_type,
    amount,
    false as is_constructed
from listed_transactions
order by customer_number, list_position;


-- Flags are '0' and '1', the success of the previous campaign is 'yes' or 'no'. Every type
-- of campaign that occurs in the file is one flag, given for every customer. The purchase flag is
-- here too, as it is in other sources.
create table customer_attributes as
with campaign_types as (
    select distinct unnest(regexp_extract_all(campaign_types, '''(\w+)''', 1)) as campaign_type
    from study
),

one_row_an_attribute as (
    select
        study.customer_id,
        study.customer_number,
        lower(campaign_types.campaign_type) || '_campaign' as attribute,
        case
            when contains(study.campaign_types, '''' || campaign_types.campaign_type || '''') then '1'
            else '0'
        end as value
    from study
    cross join campaign_types

    union all

    select
        customer_id,
        customer_number,
        'previous_campaign_success' as attribute,
        previous_campaign_success as value
    from study

    union all

    select
        customer_id,
        customer_number,
        'has_churned' as attribute,
        cast(has_churned as varchar) as value
    from study

    union all

    select
        customer_id,
        customer_number,
        'bought_advertised_product' as attribute,
        cast(cast(has_bought_advertised_product as bigint) as varchar) as value
    from study
)

select
    customer_id,
    attribute,
    value
from one_row_an_attribute
where value is not null
order by customer_number, attribute;


-- The study's own clusters, by the numbers of its labels file.
create table given_segments as
select
    'customer_behaviour_study' as segmentation,
    customer_id as entity_id,
    cluster_name as segment
from labels
order by customer_number;
