-- A published set of credit-card accounts (CC GENERAL), one row per account, to the raw contract.
--
-- The file is a cross-section of what each account did in its last 6 to 12 months; it has no dates and says nothing
-- about who owns an account. Every account becomes a customer of the same id, joined on the day below, which is
-- chosen and not observed.
--
-- Assumed of the file: UTF-8, commas, one header line, one row per account. A limit or minimum payment that is
-- missing stays missing.

set variable joined_on = date '2023-12-31';

create temporary table study as
select *
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
);

create table customers as
select
    cust_id as customer_id,
    getvariable('joined_on') as joined_on
from study
order by cust_id;

create table card_accounts as
select
    cust_id,
    cust_id as customer_id,
    balance,
    balance_frequency,
    purchases,
    oneoff_purchases,
    installments_purchases,
    cash_advance,
    purchases_frequency,
    oneoff_purchases_frequency,
    purchases_installments_frequency,
    cash_advance_frequency,
    cash_advance_trx,
    purchases_trx,
    credit_limit,
    payments,
    minimum_payments,
    prc_full_payment,
    tenure
from study
order by cust_id;
