-- A published study of campaigns and behaviour, one row per customer, to the raw contract.
--
-- The file is a cross-section: it has totals and flags, and no dates at all. Every date below is
-- chosen, not observed, so that what belongs to the study lies inside one trailing year.
--   as-of day       2024-12-31. The file does not give it. Some transactions fall on this day and
--                   none later, so a warehouse that looks for the last day with events finds it.
--   trailing year   2024-01-02 to 2024-12-31, 365 days. Holds all transactions, engagements and
--                   purchases.
--   known before    2023-12-31. What a customer already was or had when the year began.
--   campaigns       from 2024-10-01, as many days as the file says (15 for every customer).
--   purchases       15 days after the last campaign day.
-- Nothing that rests on the order, the season or the spacing of events can be learned from this
-- source.
--
-- Assumed of the file: UTF-8, commas, one header line, one row per customer. A value that is no
-- number where a number is due, and a negative total or count, end the import with a sentence.
-- Amounts and the loyalty score are rounded to two decimals.
-- Left out: "type of campaign(s)", which contradicts at least one of the four flags for 86 % of the
-- customers, "product cost", which follows from the advertised product, and the totals and CTR over
-- the channels, which follow from the channels.

set variable as_of_on = date '2024-12-31';
set variable year_starts_on = date '2024-01-02';
set variable known_before_on = date '2023-12-31';
set variable campaigns_start_on = date '2024-10-01';
set variable days_from_campaign_to_purchase = 15;

-- Not an entity: temporary tables stay behind. Each column gets its type and its name here, so
-- that a missing column or a wrong type is found before anything is made.
create temporary table study as
with received as (
    -- Nothing is left to detection: a line that does not fit ends the import, none is skipped.
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
    )
),

typed as (
    select
        received."customer id" as customer_id,
        -- Spreads dates over customers. Follows the ids, not the line order of the file.
        row_number() over (order by received."customer id") as customer_number,
        cast(received.age as bigint) as age,
        received."age group" as age_group,
        received.gender,
        received."education level" as education,
        cast(received."income/month" as decimal(18, 2)) as monthly_income,
        cast(received."account balance" as decimal(18, 2)) as account_balance,
        cast(received."loyalty score" as decimal(18, 2)) as loyalty_score,
        received."products owned" as owned_products,
        'product_' || lower(trim(received."product type advertised")) as advertised_product,
        cast(received."duration of campaign(s) (days)" as bigint) as campaign_day_count,
        cast(received."total ad spend" as decimal(18, 2)) as advertising_spend_amount,
        lower(trim(received."prev campaign success")) as previous_campaign_success,
        cast(received."has customer bought product" as boolean) as has_bought_advertised_product,
        cast(received."uses internet banking" as boolean) as has_internet_banking,
        cast(received.has_loan as boolean) as has_loan,
        cast(received."fb impressions" as bigint) as facebook_impressions,
        cast(received."fb clicks" as bigint) as facebook_clicks,
        cast(received."insta impressions" as bigint) as instagram_impressions,
        cast(received."insta clicks" as bigint) as instagram_clicks,
        cast(received."tw impressions" as bigint) as twitter_impressions,
        cast(received."tw clicks" as bigint) as twitter_clicks,
        cast(received.facebook as bigint) as facebook_campaign,
        cast(received.twitter as bigint) as twitter_campaign,
        cast(received.instagram as bigint) as instagram_campaign,
        cast(received.email as bigint) as email_campaign,
        coalesce(cast(received.total_withdrawals as decimal(18, 2)), 0) as withdrawal_amount,
        coalesce(cast(received.total_deposits as decimal(18, 2)), 0) as deposit_amount,
        coalesce(cast(received.transaction_count as bigint), 0) as transaction_count
    from received
),

-- A negative total cannot be cut into positive amounts, and must not vanish.
checked as (
    select
        *,
        case
            when least(withdrawal_amount, deposit_amount, transaction_count) < 0
                then error(
                    'customer ' || coalesce(customer_id, 'without id')
                    || ' has a negative total or count of transactions'
                )
            else true
        end as has_usable_totals
    from typed
)

select * exclude (has_usable_totals)
from checked
where has_usable_totals;


-- birth_year is the one that gives the study's age on the as-of day. gender is the study's code
-- (0, 1; it does not say which is which), education its level (0 to 3). joined_on is unknown:
-- everybody is a customer through the whole year, and tenure means nothing.
create table customers as
select
    customer_id,
    getvariable('known_before_on') as joined_on,
    year(getvariable('as_of_on')) - age as birth_year,
    gender,
    education,
    monthly_income,
    account_balance,
    loyalty_score
from study
order by customer_number;


-- The study names no campaigns, only the product type that was advertised to each customer: one
-- campaign a product type, all on the same days, so that no campaign looks early or late. Spend is
-- known per customer (see customer_attributes), a budget is not.
create table campaigns as
select
    replace(advertised_product, 'product_', 'campaign_') as campaign_id,
    'Product ' || upper(replace(advertised_product, 'product_', '')) as campaign_name,
    advertised_product as product,
    getvariable('campaigns_start_on') as starts_on,
    cast(
        getvariable('campaigns_start_on')
        + cast(greatest(max(campaign_day_count), 1) - 1 as integer)
        as date
    ) as ends_on
from study
where advertised_product is not null
group by advertised_product
order by advertised_product;


-- One row per customer and channel with impressions or clicks, on one day of the campaign: the
-- study has totals, and how they spread over days is unknown. Neighbouring ids and the three
-- channels fall on different days. A row with more clicks than impressions (the study has none)
-- is handed on as it is, for the contract to reject and count. Email has a flag and no
-- impressions. Opens, conversions, revenue and holdouts are not in the study.
create table campaign_engagements as
with engagements_by_channel as (
    select
        customer_id,
        customer_number,
        advertised_product,
        0 as channel_number,
        'facebook' as channel,
        facebook_impressions as impressions,
        facebook_clicks as clicks
    from study

    union all

    select
        customer_id,
        customer_number,
        advertised_product,
        1 as channel_number,
        'instagram' as channel,
        instagram_impressions as impressions,
        instagram_clicks as clicks
    from study

    union all

    select
        customer_id,
        customer_number,
        advertised_product,
        2 as channel_number,
        'twitter' as channel,
        twitter_impressions as impressions,
        twitter_clicks as clicks
    from study
),

engagements_with_campaign as (
    select
        engagements_by_channel.*,
        campaigns.campaign_id,
        campaigns.starts_on,
        campaigns.ends_on - campaigns.starts_on + 1 as campaign_day_count
    from engagements_by_channel
    left join campaigns
        on engagements_by_channel.advertised_product = campaigns.product
    where engagements_by_channel.impressions <> 0 or engagements_by_channel.clicks <> 0
)

select
    customer_id || '-' || channel as engagement_id,
    campaign_id,
    customer_id,
    channel,
    cast(
        starts_on
        + cast((customer_number + channel_number * 5) % campaign_day_count as integer)
        as date
    ) as occurred_on,
    false as is_holdout,
    impressions,
    clicks
from engagements_with_campaign
order by customer_number, channel_number;


-- A loan is read as a housing loan, as the study's text does. Loans, internet banking and owned
-- products were there before the year. A purchase of the advertised product is a new holding after
-- the campaign. Advertised products (A to E) and owned ones (W to Z) never meet in the study; where
-- they did, the purchase would be a second holding with an id of its own.
create table product_holdings as
with owned_products as (
    select distinct
        customer_id,
        customer_number,
        'owned' as origin,
        'product_' || lower(unnest(regexp_extract_all(owned_products, '[A-Za-z0-9]+'))) as product,
        getvariable('known_before_on') as opened_on
    from study
),

housing_loans as (
    select
        customer_id,
        customer_number,
        'owned' as origin,
        'housing_loan' as product,
        getvariable('known_before_on') as opened_on
    from study
    where has_loan
),

internet_banking as (
    select
        customer_id,
        customer_number,
        'owned' as origin,
        'internet_banking' as product,
        getvariable('known_before_on') as opened_on
    from study
    where has_internet_banking
),

purchases as (
    select
        study.customer_id,
        study.customer_number,
        'bought' as origin,
        study.advertised_product as product,
        cast(
            campaigns.ends_on + cast(getvariable('days_from_campaign_to_purchase') as integer)
            as date
        ) as opened_on
    from study
    left join campaigns
        on study.advertised_product = campaigns.product
    where study.has_bought_advertised_product
),

all_holdings as (
    select * from owned_products
    union all
    select * from housing_loans
    union all
    select * from internet_banking
    union all
    select * from purchases
)

select
    customer_id || '-' || origin || '-' || product as holding_id,
    customer_id,
    product,
    opened_on,
    cast(null as date) as closed_on
from all_holdings
order by customer_number, holding_id;


-- The study has two totals and one count per customer. Totals are kept to the cent; the count is
-- kept wherever cents allow:
--   the count is divided in proportion to the totals, at least one where a total is positive;
--   no amount may be below one cent, so a total of 3 cents makes at most 3 rows (two customers of
--   the study, with totals of 0.03 and 0.10 over 15 transactions, keep 3 and 10 rows);
--   two positive totals with a count of 0 or 1 would make one row each, one more than the count
--   (the study has none: a count of 0 has no totals, and the next count is 2);
--   a count without any total makes no rows (the study has none).
-- Within a total all amounts are equal but for the cents that are left over, which the first rows
-- take. Dates are evenly spaced from a day that moves on with the customer.
create table transactions as
with totals_in_cents as (
    select
        customer_id,
        customer_number,
        transaction_count,
        cast(withdrawal_amount * 100 as bigint) as withdrawal_cents,
        cast(deposit_amount * 100 as bigint) as deposit_cents
    from study
),

withdrawals_counted as (
    select
        *,
        case
            when withdrawal_cents = 0 then 0
            else greatest(
                1,
                least(
                    -- Halves go up, in whole numbers: no floating point decides a row.
                    (2 * transaction_count * withdrawal_cents + withdrawal_cents + deposit_cents)
                    // (2 * (withdrawal_cents + deposit_cents)),
                    transaction_count - cast(deposit_cents > 0 as bigint),
                    withdrawal_cents
                )
            )
        end as withdrawal_count
    from totals_in_cents
),

both_counted as (
    select
        *,
        case
            when deposit_cents = 0 then 0
            else least(greatest(1, transaction_count - withdrawal_count), deposit_cents)
        end as deposit_count
    from withdrawals_counted
),

totals_by_type as (
    select
        customer_id,
        customer_number,
        'withdrawal' as transaction_type,
        withdrawal_cents as total_cents,
        withdrawal_count as row_count,
        customer_number * 7 as first_day
    from both_counted

    union all

    -- Half a spacing later than the withdrawals, so that the two do not share their days.
    select
        customer_id,
        customer_number,
        'deposit' as transaction_type,
        deposit_cents as total_cents,
        deposit_count as row_count,
        customer_number * 7 + 365 // (2 * greatest(deposit_count, 1)) as first_day
    from both_counted
),

one_row_a_transaction as (
    select
        *,
        unnest(range(row_count)) as row_index
    from totals_by_type
)

select
    customer_id || '-' || transaction_type || '-' || (row_index + 1) as transaction_id,
    customer_id,
    -- Noon, so that no time zone moves a transaction to another day.
    cast(
        getvariable('year_starts_on')
        + cast((first_day + row_index * 365 // row_count) % 365 as integer)
        as timestamp
    ) + interval 12 hours as transacted_at,
    transaction_type,
    cast(
        (total_cents // row_count + cast(row_index < total_cents % row_count as bigint)) * 0.01
        as decimal(18, 2)
    ) as amount,
    true as is_constructed
from one_row_a_transaction
order by customer_number, transaction_type, row_index;


-- The four campaign flags say nothing about impressions (everybody has some in three channels), so
-- they are kept as what they are: inputs of the study's clustering. Flags are '0' and '1'. An empty
-- cell makes no row. The purchase flag is here too because the study speaks of a purchase of any
-- product, and the holdings of single ones.
create table customer_attributes as
with attributes_side_by_side as (
    select
        customer_id,
        customer_number,
        cast(facebook_campaign as varchar) as facebook_campaign,
        cast(twitter_campaign as varchar) as twitter_campaign,
        cast(instagram_campaign as varchar) as instagram_campaign,
        cast(email_campaign as varchar) as email_campaign,
        cast(cast(has_bought_advertised_product as bigint) as varchar)
            as bought_advertised_product,
        advertised_product,
        cast(advertising_spend_amount as varchar) as advertising_spend_amount,
        previous_campaign_success,
        age_group
    from study
),

one_row_an_attribute as (
    unpivot attributes_side_by_side
    on columns(* exclude (customer_id, customer_number))
    into name attribute value value
)

select
    customer_id,
    attribute,
    value
from one_row_an_attribute
order by customer_number, attribute;
