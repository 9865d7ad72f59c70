-- Ten queries to run first on published/warehouse.duckdb; `examples/first_look.py` prints them all.
-- Every query looks at one segmentation: rows of two hold the same customers twice.

set variable primary_segmentation = (select primary_segmentation from health.build_info);

-- 1. Which build is this?
select
    as_of_on,
    window_starts_after,
    source_name,
    currency,
    contract_version
from health.build_info;

-- 2. How much of what was handed in could be used?
select
    entity,
    max(row_count) filter (where check_name = 'received') as received_count,
    max(row_count) filter (where check_name = 'accepted') as accepted_count,
    max(row_count) filter (where check_name = 'broken') as broken_count,
    max(row_count) filter (where check_name = 'superseded') as superseded_count
from health.data_quality
where check_type = 'total'
group by entity
order by entity;

-- 3. Which segments are there, and how large are they?
select
    segment_id,
    segment_name,
    entity_count,
    round(segment_share, 3) as segment_share,
    segment_description
from marts.segments
where segmentation = getvariable('primary_segmentation')
order by entity_count desc;

-- 4. What makes each segment different? Its three features farthest from everybody's mean.
select
    segment_name,
    feature,
    round(mean_value, 2) as mean_value,
    round(population_mean, 2) as population_mean,
    round(standardised_difference, 2) as standardised_difference
from marts.segment_profiles
where segmentation = getvariable('primary_segmentation')
qualify row_number() over (partition by segment_id order by abs(standardised_difference) desc, feature) <= 3
order by segment_id, abs(standardised_difference) desc, feature;

-- 5. Who clicks? A rate is worth reading with its interval and its customers.
select
    segment_name,
    round(ctr, 4) as ctr,
    round(ctr_low, 4) as ctr_low,
    round(ctr_high, 4) as ctr_high,
    reached_customer_count,
    is_small_cell
from marts.segment_engagement
where segmentation = getvariable('primary_segmentation')
order by segment_engagement.ctr desc;

-- 6. Where do they click? Every segment's channels, best first.
select
    segment_name,
    channel,
    round(ctr, 4) as ctr,
    round(ctr_low, 4) as ctr_low,
    round(ctr_high, 4) as ctr_high,
    is_small_cell
from marts.segment_channel_engagement
where segmentation = getvariable('primary_segmentation')
order by segment_id, segment_channel_engagement.ctr desc;

-- 7. Does it change? Segments added up month by month: sums first, then the rate.
select
    month_starts_on,
    sum(impression_count)::bigint as impression_count,
    sum(click_count)::bigint as click_count,
    round(sum(click_count) / nullif(sum(impression_count), 0), 4) as ctr
from marts.segment_month_engagement
where segmentation = getvariable('primary_segmentation')
group by month_starts_on
order by month_starts_on;

-- 8. Who owns what? A segment beside all of its segmentation.
select
    product,
    segment_name,
    round(ownership_rate, 3) as ownership_rate,
    round(ownership_rate_low, 3) as ownership_rate_low,
    round(ownership_rate_high, 3) as ownership_rate_high,
    is_small_cell,
    round(sum(holder_count) over (partition by product) / sum(customer_count) over (partition by product), 3)
        as ownership_rate_of_all
from marts.segment_product_ownership
where segmentation = getvariable('primary_segmentation')
order by product, segment_product_ownership.ownership_rate desc;

-- 9. Who moves how much money? Deposits and withdrawals in the window; the customer in the middle beside the mean.
select
    transaction_type,
    segment_name,
    round(amount_per_customer, 2) as amount_per_customer,
    round(amount_per_customer_low, 2) as amount_per_customer_low,
    round(amount_per_customer_high, 2) as amount_per_customer_high,
    round(amount_per_customer_median, 2) as amount_per_customer_median,
    customer_count,
    is_small_cell
from marts.segment_transactions
where segmentation = getvariable('primary_segmentation')
    and transaction_type in ('deposit', 'withdrawal')
order by transaction_type, segment_transactions.amount_per_customer desc;

-- 10. What may be said aloud? Sentences about these segments and what the data make of them.
select
    use_it,
    verdict_label,
    sentence,
    reason
from evidence.claim_verdicts
where segmentation = getvariable('primary_segmentation')
    and verdict is not null
order by use_it = 'yes' desc, use_it, claim_id;
