"""The gate names what does not hold, and lets nothing pass that it has not judged."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest

from pipeline.gate import Verdict, failure_lines, judge, main, read_suites, suite_lines
from pipeline.sentences import UserError
from pipeline.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
SUITES = PROJECT / "expectations"
# Relations that are no marts and still have readers.
ALSO_HANDED_OUT = {
    "health.build_info",
    "health.data_quality",
    "customers.customer_segment_history",
    "health.segment_pairs",
    "health.segmentation_quality",
    "health.refit_advice",
    "health.segment_drift",
    "customers.segment_members",
    "customers.marketing_contacts",
    "customers.customer_value",
    "evidence.channel_order_agreement",
    "evidence.engagement_factors",
    "evidence.segment_outcome_noise_check",
    "evidence.segmentation_noise_check",
    "evidence.variation_shares",
}
IN_95 = ", in at least 95 % of the rows"

ENGAGEMENT = """
    100 as customer_count, 60 as reached_customer_count, 900 as impression_count,
    300 as openable_impression_count, 90 as open_count, 45 as click_count, 9 as conversion_count,
    8 as converted_customer_count, 81.5::double as clicks_squared,
    0.05::double as ctr, 0.04::double as ctr_low, 0.06::double as ctr_high,
    0.3::double as open_rate, null::double as open_rate_low, null::double as open_rate_high,
    false as is_small_cell
"""
TRANSACTIONS = """
    100 as customer_count, 80 as active_customer_count, 240 as transaction_count,
    5000.25::decimal(38, 2) as total_amount, 50.0::double as amount_per_customer,
    45.0::double as amount_per_customer_low, 55.0::double as amount_per_customer_high,
    20.0::double as amount_per_customer_p25, 40.0::double as amount_per_customer_median,
    70.0::double as amount_per_customer_p75, true as is_small_cell
"""
TESTED = ", ".join(
    f"0.01::double as {name}_p, 0.02::double as {name}_adjusted_p"
    for name in (
        "transactions_per_customer",
        "amount_per_customer",
        "amount_per_active_customer",
        "amount_per_transaction",
    )
)
CAMPAIGN = f"""
    100 as assigned_customer_count, {ENGAGEMENT}, 20 as engaged_customer_count,
    200::decimal(38, 2) as revenue_amount, 50::decimal(38, 2) as cost_amount, 4.0::double as roas,
    3.0::double as roas_low, 5.0::double as roas_high, null::varchar as null_reasons
"""
SEGMENTS = """
create schema internal; create schema marts; create schema health; create schema customers;
create table internal.build_state as
select 'build-1' as build_id, true as is_complete, true as is_green, null::varchar as problem;

create table marts.segments as
select 'behaviour' as segmentation, segment_id, 'Segment ' || segment_id as segment_name,
    25 as entity_count, 0.25::double as segment_share, 'fit' as fit_id,
    false as no_structure_found
from range(1, 5) as segments (segment_id);
create view numbered as select segmentation, segment_id, segment_name from marts.segments;
create table customers.segment_members as
select 'behaviour' as segmentation, 'C' || number as entity_id, number % 4 + 1 as segment_id,
    number % 4 + 1 as nearest_segment_id, 1.0::double as distance, 2.0::double as second_distance,
    0.5::double as assignment_margin, 'fit' as fit_id
from range(100) as members (number);
create table customers.customer_segment_history as
select 'behaviour' as segmentation, 'C' || number as customer_id, date '2026-05-31' as valid_from,
    null::date as valid_to, true as is_open, number % 4 + 1 as segment_id, 'fit' as fit_id
from range(100) as members (number);
create table customers.marketing_contacts as
select 'C' || number as customer_id, number > 10 as has_consent, true as is_known_adult,
    number % 5 as contact_day_count, number > 10 and number % 5 < 3 as is_contactable,
    case when number % 5 > 0 then date '2026-03-01' end as last_contact_on
from range(100) as members (number);
"""
MARTS = f"""
create table marts.segment_profiles as
select *, 'monthly_income' as feature, 25 as entity_count, 24 as value_count,
    2.0::double as mean_value, 2.0::double as median_value, 1.0::double as p25_value,
    3.0::double as p75_value
from numbered;
create table marts.segment_rules as
select *, 'fit' as fit_id, segment_id as rule_number, 'monthly_income >= 4,000' as rule,
    25 as covered_count, 0.25::double as covered_share, 12 as held_out_count, 11 as hit_count,
    0.92::double as rule_precision, 0.6::double as rule_precision_low,
    0.99::double as rule_precision_high, 13 as member_count, 0.85::double as member_share,
    0.6::double as member_share_low, 0.95::double as member_share_high, 50 as tested_count,
    44 as agreed_count, 0.88::double as fidelity, 0.76::double as fidelity_low,
    0.95::double as fidelity_high
from numbered;
create table health.segment_pairs as
select one.segmentation, one.segment_id, one.segment_name, other.segment_id as other_segment_id,
    other.segment_name as other_segment_name, 'fit' as fit_id, 25 as entity_count,
    25 as other_entity_count, 3.0::double as distance,
    'monthly income 70 %, gender 30 %' as separating_features, 4.0::double as separation,
    null::varchar as separated_only_by, 2.5::double as separation_without
from numbered as one inner join numbered as other on one.segment_id < other.segment_id;
create table health.segmentation_quality as
select 'behaviour' as segmentation, 'fit' as fit_id, k, k = 4 as is_chosen,
    case when k = 4 then 'The specification gives 4 segments.' end as reason,
    10.0::double / k as within_squares, 0.1::double as gap, 0.01::double as gap_standard_error,
    20 as reference_set_count, 0.3::double as silhouette, 1.1::double as davies_bouldin,
    0.9::double as stability, 0.8::double as least_stability, 50 as bootstrap_count,
    1.0::double / k as smallest_share, 100 as sampled_count, 0.75::double as minimum_stability,
    0.02::double as minimum_share
from range(1, 11) as numbers (k);
create table marts.segment_engagement as select *, {ENGAGEMENT} from numbered;
create table marts.segment_channel_engagement as
select *, channel, {ENGAGEMENT} from numbered, (values ('email'), ('it''s')) as c (channel);
create table marts.segment_product_ownership as
select *, 'savings' as product, 100 as customer_count, 30 as holder_count, 3 as buyer_count,
    0.3::double as ownership_rate, 0.2::double as ownership_rate_low,
    0.4::double as ownership_rate_high, false as is_small_cell
from numbered;
create table marts.segment_ownership as
select * exclude (product) from marts.segment_product_ownership;
create table marts.segment_month_engagement as
select *, date '2026-01-01' as month_starts_on from marts.segment_engagement;
create table marts.segment_month_ownership as
select *, date '2026-01-01' as month_starts_on from marts.segment_ownership;
create table marts.segment_month_product_ownership as
select *, date '2026-01-01' as month_starts_on from marts.segment_product_ownership;
create table marts.segment_overlaps as
select numbered.*, customers.segmentation as customer_segmentation,
    customers.segment_id as customer_segment_id, customers.segment_name as customer_segment_name,
    20::bigint as entity_count, 4::bigint as entity_without_customer_count,
    16::bigint as placed_entity_count, 4::bigint as shared_entity_count,
    0.25::double as share_of_segment, 0.1::double as share_of_segment_low,
    0.5::double as share_of_segment_high, 25::bigint as customer_count,
    4::bigint as shared_customer_count, 0.16::double as share_of_customer_segment,
    0.06::double as share_of_customer_segment_low, 0.35::double as share_of_customer_segment_high,
    1.0::double as lift, 0.5::double as lift_low, 2.0::double as lift_high, true as is_small_cell
from numbered, numbered as customers;
create table marts.card_segment_risk as
select *, 25 as account_count, 0.2::double as full_payment_share, 25 as full_payment_share_count,
    0.1::double as full_payment_share_low, 0.3::double as full_payment_share_high,
    24 as utilisation_count, 0.5::double as utilisation, 0.4::double as utilisation_low,
    0.6::double as utilisation_high, 24 as cash_advance_to_limit_count,
    0.1::double as cash_advance_to_limit, 20 as minimum_payment_coverage_count,
    2.0::double as minimum_payment_coverage, true as is_small_cell
from numbered;
create table marts.segment_transactions as
select *, 'deposit' as transaction_type, {TRANSACTIONS} from numbered;
create table marts.segment_month_transactions as
select *, 'deposit' as transaction_type, date '2026-01-01' as month_starts_on, {TRANSACTIONS},
    {TESTED}
from numbered;
create table marts.segment_digital_usage as
select *, 'mobile_app' as touchpoint, 100 as customer_count, 70 as user_count,
    700 as session_count, 0.7::double as usage_rate, 0.6::double as usage_rate_low,
    0.8::double as usage_rate_high, false as is_small_cell
from numbered;
create table marts.campaign_performance as select 'K1' as campaign_id, {CAMPAIGN};
create table marts.campaign_channel_performance as
select 'K1' as campaign_id, 'email' as channel, {CAMPAIGN};
create table marts.campaign_channel_group_performance as
select 'K1' as campaign_id, 'owned' as channel_group, {CAMPAIGN};
create table marts.segment_campaign_performance as
select *, 'K1' as campaign_id, {CAMPAIGN} from numbered;
create table marts.campaign_channel_attribution as
select 'K1' as campaign_id, channel, 100::decimal(38, 2) as revenue_amount,
    attributed::decimal(38, 2) as attributed_revenue_amount
from (values ('email', 150), ('facebook', 50)) as credits (channel, attributed);
create table marts.segment_migrations as
select 'behaviour' as segmentation, date '2026-05-31' as earlier_as_of_on,
    date '2026-06-30' as as_of_on, from_segment_id, to_segment_id, counted as entity_count,
    25 as from_count, counted / 25 as share_of_from, 0.0::double as share_of_from_low,
    1.0::double as share_of_from_high
from (values (1, 1, 20), (1, 2, 5), (2, 2, 25)) as moved (from_segment_id, to_segment_id, counted);
create table marts.segment_metric_changes as
select 'behaviour' as segmentation, date '2026-06-30' as as_of_on, 'segment_engagement' as mart,
    'ctr' as metric, null::varchar as cell, 0.05::double as earlier_figure,
    0.06::double as figure_over_all, 0.01::double as change, 0.007::double as within_change,
    0.002::double as mix_change, 0.001::double as interaction_change;
create table marts.segment_churn as
select *, 100 as customer_count, 90 as observed_customer_count, 9 as churned_customer_count,
    0.1::double as churn_rate, 0.05::double as churn_rate_low, 0.2::double as churn_rate_high,
    null::varchar as null_reasons, false as is_small_cell
from numbered;
create table marts.segment_cohort_retention as
select *, date '2026-01-01' as cohort_starts_on, 2 as months_since_joining,
    30 as customer_count, 27 as retained_customer_count, 0.9::double as retention_rate,
    0.7::double as retention_rate_low, 0.97::double as retention_rate_high, true as is_small_cell
from numbered;

create table marts.segment_value as
select *, 25 as customer_count, 20 as valued_customer_count, 24 as active_customer_count,
    20 as modelled_customer_count, 0.5::double as mean_probability_active,
    800.0::double as clv_total, 40.0::double as clv_per_customer,
    35.0::double as clv_per_customer_low, 45.0::double as clv_per_customer_high,
    0.3::double as clv_top_tenth_share, 0.1::double as clv_top_customer_share,
    null::varchar as null_reasons, true as is_small_cell
from numbered;
create table customers.customer_value as
select entity_id as customer_id, 3 as frequency, 0.6::double as probability_active,
    0.5::double as probability_active_low, 0.7::double as probability_active_high,
    4.0::double as expected_transactions_365, 40.0::double as clv, 30.0::double as clv_low,
    50.0::double as clv_high, 'model' as basis, 'bootstrap' as interval_method,
    null::varchar as reason
from customers.segment_members;

create schema evidence;
create table evidence.customer_value_fits as
select 'bg_nbd' as model, parameter, 0.8::double as estimate, 0.1::double as standard_error,
    0.6::double as estimate_low, 1.1::double as estimate_high, 'converged' as fit_status,
    null::varchar as reason, 100 as customer_count, 100 as draw_count
from (values ('r'), ('alpha')) as p (parameter);
create table evidence.segment_differences as
select segmentation, segment_id, 'segment_engagement' as mart, 'ctr' as metric,
    null::varchar as cell, 'rest' as compared_with, null::bigint as other_segment_id,
    0.01::double as p, 0.02::double as adjusted_p, false as is_small_cell
from numbered;
create table evidence.segment_channel_purchase_association as
select segmentation, segment_id, 'email' as channel, 0.02::double as adjusted_p from numbered;
create table evidence.segment_product_purchase_association as
select segmentation, segment_id, 'savings' as owned_product, 'insurance' as product,
    0.02::double as adjusted_p
from numbered;
create table evidence.segment_count_amount_association as
select segmentation, segment_id, 'count_total_rank_correlation' as metric,
    0.4::double as estimate, 0.3::double as estimate_low, 0.5::double as estimate_high,
    0.01::double as p, 0.02::double as adjusted_p, false as is_small_cell
from numbered;
create table evidence.channel_order_agreement as
select 'behaviour' as segmentation, 0.3::double as p, 0.3::double as adjusted_p,
    0.9::double as rank_agreement, 0.7::double as rank_agreement_low,
    1.0::double as rank_agreement_high, 0.0::double as largest_reversal,
    0.0::double as largest_reversal_low, 0.01::double as largest_reversal_high;
create table evidence.segmentation_noise_check as
select 'fit' as fit_id, 'behaviour' as segmentation, 0.9::double as agreement,
    0.8::double as minimum_agreement, 1.0::double as silhouette_beaten_share,
    false as no_structure_found, 'The groups are clear.' as reason;
create table evidence.segment_outcome_noise_check as
select 'behaviour' as segmentation, 'ctr' as outcome, 0.1::double as effect,
    0.05::double as effect_low, 0.2::double as effect_high, 0.01::double as p,
    0.02::double as adjusted_p, true as explains_more_than_chance;
create table evidence.variation_shares as
select 'behaviour' as segmentation, component, share::double as share, 0.0::double as share_low,
    1.0::double as share_high, 0.3::double as customers_less_channels,
    0.1::double as customers_less_channels_low, 0.5::double as customers_less_channels_high,
    0.01::double as p, 0.01::double as adjusted_p
from (values
    ('segment', 0.1), ('customer_within_segment', 0.3), ('channel', 0.1), ('residual', 0.5)
) as shares (component, share);
create table evidence.segment_channel_frequency_caps as
select segmentation, segment_id, false as is_all_customers, 'email' as channel,
    'no_cap' as verdict, null::bigint as cap, null::bigint as cap_low, null::bigint as cap_high,
    0.9::double as relative_response, 0.8::double as relative_response_low,
    1.0::double as relative_response_high, 0.01::double as p, 0.02::double as adjusted_p,
    false as is_small_cell
from numbered;
create table evidence.segment_channel_impression_bands as
select segmentation, segment_id, false as is_all_customers, 'email' as channel, '1' as band_name,
    1 as from_impressions, 0.05::double as naive_ctr, 0.04::double as naive_ctr_low,
    0.06::double as naive_ctr_high, 0.05::double as first_click_hazard,
    0.06::double as first_click_hazard_high, null::double as within_ctr, 'unknown' as delivery,
    null::double as p, null::double as adjusted_p, false as is_small_cell
from numbered;
create table evidence.engagement_factors as
select segmentation, false as is_all_customers, segment_id, 'clicked' as outcome,
    'earlier_ctr' as feature, 'before' as timing, null::varchar as reason,
    0.2::double as correlation, 0.1::double as correlation_low, 0.3::double as correlation_high,
    0.5::double as standardised_effect, 0.4::double as standardised_effect_low,
    0.6::double as standardised_effect_high, 1::bigint as combined_rank, 0.01::double as p,
    0.02::double as adjusted_p, true as is_real
from numbered;
create table evidence.model_scorecards as
select 'engagement: clicked' as model, 'time' as split, 'auc' as metric, 0.6::double as estimate,
    0.55::double as estimate_low, 0.65::double as estimate_high, 0.5::double as baseline_value,
    true as is_better_than_chance, null::boolean as use_baseline, 'resampled' as method
union all
select 'customer_value_' || outcome, 'time', 'root mean squared error against last year', null,
    null, null, 2.0, null, true, 'delta method; not judged: too few'
from (values ('transactions'), ('revenue')) as outcomes (outcome);
create table evidence.claim_verdicts as
select 'claim ' || segment_id as claim_id, segmentation, segment_id, 'highest' as claim_type,
    0.02::double as adjusted_p, 'supported' as verdict, 'yes' as use_it, 'It is so.' as reason,
    false as no_structure_found
from numbered;
create table evidence.recommendations as
select 'strategy ' || segment_id as strategy_id, segmentation, segment_id,
    'Do it.' as strategy, 'claim ' || segment_id as rests_on, 1 as claim_count,
    'backed' as status, 'It holds.' as reason, 'segment_engagement' as kpi_mart,
    'ctr' as kpi_metric, 'share' as unit, 0.2::double as baseline,
    0.1::double as baseline_low, 0.3::double as baseline_high, 0.1::double as target_change,
    0.22::double as target, null::bigint as customers_per_arm, null::boolean as is_test_possible,
    'randomised' as evidence, 0.03::double as expected_effect, 0.01::double as expected_effect_low,
    0.05::double as expected_effect_high, false as no_structure_found
from numbered;
create table evidence.recommendations_v2 as
select * exclude (rests_on), rests_on as claim_ids from evidence.recommendations;
create table evidence.campaign_effects as
select segmentation, segment_id, 'K1' as campaign_id, 'conversion' as outcome,
    'measured' as effect_status, 0.03::double as itt_effect, 0.01::double as itt_effect_low,
    0.05::double as itt_effect_high, 0.01::double as p, 0.02::double as adjusted_p,
    false as is_small_cell, null::varchar as null_reasons,
    'tenure_days' as most_imbalanced_feature, 0.02::double as largest_imbalance
from numbered;
create table evidence.campaign_balance as
select 'K1' as campaign_id, 'tenure_days' as feature, 300::bigint as treated_count,
    100::bigint as holdout_count, 510.0::double as treated_mean, 500.0::double as holdout_mean,
    0.02::double as imbalance, null::varchar as null_reasons;
create table evidence.segmentation_value as
select 'behaviour' as segmentation, 'conversion' as outcome, 'K1' as campaign_id,
    0.01::double as gain, 0.0::double as gain_low, 0.02::double as gain_high,
    null::varchar as null_reasons;

create table health.build_info as
select date '2026-03-31' as as_of_on, 'demo' as source_name, 'aaaa' as input_hash,
    'bbbb' as specification_hash;
create table health.segment_drift as
select 'behaviour' as segmentation, date '2026-03-31' as as_of_on, drift_in, psi::double as psi,
    0.02::double as smallest_psi, p::double as p, 2 * p::double as adjusted_p,
    drift_in = 'monthly_income' as is_alarm, true as is_period_alarm, 0.01::double as missing_share,
    null::varchar as null_reasons
from (values ('monthly_income', 0.1, 0.001), ('segment_shares', 0.001, 0.4))
    as rows (drift_in, psi, p);
create table health.refit_advice as
select 'behaviour' as segmentation, 'fit' as fit_id, 'refit' as advice, 'It drifted.' as reason,
    1 as alarm_count, 2 as compared_count, 0.1::double as largest_psi,
    'monthly_income' as largest_psi_in, 0.2::double as moving_share,
    0.1::double as moving_share_low, 0.3::double as moving_share_high,
    0.1::double as smallest_moving_share, 0.7::double as refit_agreement;
create table health.data_quality as
select entity, 'total' as check_type, check_name, row_count,
    row_count / 100::double as row_share
from (values ('received', 100), ('accepted', 90), ('blanked', 5), ('broken', 7), ('superseded', 3))
    as totals (check_name, row_count), (values ('customers'), ('transactions')) as e (entity);
"""
# What the columns of a delivery hold; a column that is not named here is empty.
GIVEN = {
    "joined_on": "'2020-01-31'",
    "birth_year": "'1980'",
    "monthly_income": "'2000,50'",
    "marketing_consent": "' YES '",
    "transacted_at": "'2026-01-31 10:00:00'",
    "transaction_type": "'deposit'",
    "amount": "'12.50'",
    "is_constructed": "'f'",
    "product": "'savings'",
    "opened_on": "'31.01.2020'",
    "channel": "' EMAIL'",
    "occurred_on": "'2026-01-31'",
    "impressions": "'10'",
    "clicks": "'1'",
    "starts_on": "'2026-01-01'",
    "ends_on": "'2026-02-01'",
    "used_on": "date '2026-01-01' + number::int",
    "touchpoint": "'mobile_app'",
    "session_count": "'3'",
    "attribute": "'branch'",
    "value": "'harbour'",
    "segmentation": "'given'",
    "segment": "'1'",
    "source": "'a study'",
    "sentence": "'They click most.'",
    "claim_type": "'highest'",
    "label": "'cluster ' || number",
    "source_file": "'part.csv'",
    "source_row": "number",
}
ROWS = 100


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, under a name that is no plain word, with a copy of the suites."""
    root = tmp_path / "a bank's $100 % #1 folder"
    root.mkdir()
    (root / "dbt_project.yml").write_text("name: segmart\n")
    shutil.copytree(SUITES, root / "expectations")
    monkeypatch.chdir(root)
    for name in ("SEGMART_TARGET", "RAW_DATA", "AS_OF", "PUBLISHED", "SEGMART_FORCE"):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture
def build(root: Path) -> Callable[..., Settings]:
    """Makes a build file by hand, changed by SQL, and gives its settings."""

    def make(*changes: str, rows: int = ROWS) -> Settings:
        settings = Settings.from_environment({}, root)
        settings.build_folder.mkdir(parents=True, exist_ok=True)
        settings.build_file.unlink(missing_ok=True)
        with duckdb.connect(str(settings.build_file)) as connection:
            connection.execute(SEGMENTS)
            connection.execute(MARTS)
            connection.execute("create schema received")
            for suite in read_suites(SUITES):
                if suite.group == "handed_in":
                    columns = next(
                        one["kwargs"]["column_set"]
                        for one in suite.expectations
                        if one["type"] == "expect_table_columns_to_match_set"
                    )
                    connection.execute(_delivery(suite.relation, columns, rows))
            for change in changes:
                connection.execute(change)
        return settings

    return make


def _delivery(relation: str, columns: list[str], rows: int) -> str:
    values = [f"{value_of(column)} as {column}" for column in columns]
    return f"create table {relation} as select {', '.join(values)} from range({rows}) as n (number)"


def value_of(column: str) -> str:
    """SQL of what a column of a delivery holds."""
    if column in GIVEN:
        return GIVEN[column]
    if column.endswith("_id"):
        return f"'{column} ' || number"
    return "null::varchar"


def broken(verdict: Verdict) -> set[tuple[str, str]]:
    """Which expectations of which relations do not hold."""
    return {(failure.relation, failure.expectation) for failure in verdict.failures}


def digest(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refuse_connections(*_arguments: object) -> NoReturn:
    raise AssertionError("a socket was opened")


# --- a build that holds what is expected ---


def test_a_good_build_passes_and_only_the_verdict_is_written(
    build: Callable[..., Settings],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(socket.socket, "connect", refuse_connections)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_connections)
    settings = build()
    before = digest(root)
    assert main() == 0
    after = digest(root)
    written = {name for name in after if after[name] != before.get(name)}
    folder = str(settings.build_folder.relative_to(root))
    assert written == {f"{folder}/gate.json", "logs/segmart.jsonl"}
    assert before.keys() <= after.keys()
    verdict = json.loads(settings.gate_file.read_text())
    count = sum(len(suite.expectations) for suite in read_suites(SUITES))
    assert verdict == {
        "build_id": "build-1",
        "success": True,
        "expectations": count,
        "failed": [],
    }
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["handed in", "handed out"]
    for line in lines:
        held, expected = line.split(": ")[1].removesuffix(" expectations hold").split(" of ")
        assert held == expected


def test_the_gate_lets_go_of_the_build_file(build: Callable[..., Settings]) -> None:
    settings = build()
    judge(settings)
    duckdb.connect(str(settings.build_file)).close()


def test_a_process_of_its_own_opens_no_socket_and_writes_nothing_at_home(
    build: Callable[..., Settings], root: Path, tmp_path: Path
) -> None:
    build()
    home = tmp_path / "home"
    home.mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    program = (
        "import runpy, socket\n"
        "def refuse(*arguments): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse\n"
        "runpy.run_module('pipeline.gate', run_name='__main__')\n"
    )
    environment = {
        **os.environ,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(PROJECT),
    }
    environment.pop("GX_ANALYTICS_ENABLED", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    assert not [*home.rglob("*"), *temporary.rglob("*")]


def test_empty_optional_files_and_empty_marts_pass(build: Callable[..., Settings]) -> None:
    empty = [
        f"delete from {suite.relation}"
        for suite in read_suites(SUITES)
        if suite.relation
        not in ("received.received_customers", "health.build_info", "health.data_quality")
    ]
    assert broken(judge(build(*empty))) == set()


def test_typed_columns_and_single_slips_of_a_small_delivery_pass(
    build: Callable[..., Settings],
) -> None:
    changes = [
        # As Parquet hands them in.
        "alter table received.received_customers alter birth_year type double",
        "alter table received.received_customers alter joined_on type date",
        "alter table received.received_customers alter updated_at type timestamptz",
        "alter table received.received_customers alter is_deleted type boolean",
        "update received.received_customers set updated_at = '2026-01-01 00:00:00+02'",
        "update received.received_customers set is_deleted = false",
        "alter table received.received_transactions alter amount type decimal(18, 2)",
        "alter table received.received_campaign_engagements alter impressions type bigint",
        # One row is no share of three.
        "update received.received_customers set birth_year = 62 where source_row = 0",
        "update received.received_transactions set amount = -1 where source_row = 0",
        "update received.received_transactions set transaction_id = 'T' where source_row < 2",
        "insert into received.received_transactions by name "
        "select 'torn, line' as malformed_line, 9 as source_row",
    ]
    assert broken(judge(build(*changes, rows=3))) == set()


# --- builds that do not ---

WITHIN = "every figure lies within its interval, every median between its quartiles"
RATES = "rates and shares are from 0 to 1"
FINITE = "every figure is finite, counts and sums are at least 0"
KNOWN = "every segment is one of marts.segments"
# Change of the build: (relation, expectation, what its row says).
VIOLATIONS = {
    "update health.segmentation_quality set is_chosen = true where k = 5": (
        "health.segmentation_quality",
        "one number of segments is chosen a fit, with its reason",
        "segmentation: behaviour, fit_id: fit, chosen_count: 2, explained_count: 1",
    ),
    "delete from health.segment_pairs where segment_id = 2 and other_segment_id = 4": (
        "health.segment_pairs",
        "every two segments of a fit stand together once, the lower number first",
        "segmentation: behaviour, segment_id: 2, other_segment_id: 4",
    ),
    "update marts.segment_rules set covered_share = 0.2 where rule_number = 3": (
        "marts.segment_rules",
        "every entity looked at meets one rule",
        "segmentation: behaviour, covered_share: 0.95",
    ),
    "update health.segment_drift set psi = 0.01 where is_alarm": (
        "health.segment_drift",
        "no row alarms with a PSI below the smallest",
        "drift_in: monthly_income, psi: 0.01, smallest_psi: 0.02",
    ),
    "update health.segment_drift set is_period_alarm = false where not is_alarm": (
        "health.segment_drift",
        "a period alarms exactly where one of its rows does",
        "segmentation: behaviour, as_of_on: 2026-03-31",
    ),
    "update health.refit_advice set advice = 'keep'": (
        "health.refit_advice",
        "advice is what alarms and moving share say, with a reason",
        "segmentation: behaviour, advice: keep, alarm_count: 1, moving_share: 0.2",
    ),
    "update evidence.segmentation_noise_check set agreement = 0.7": (
        "evidence.segmentation_noise_check",
        "structure is found only where halves agree as asked for",
        "fit_id: fit, agreement: 0.7, minimum_agreement: 0.8, no_structure_found: False",
    ),
    "update evidence.claim_verdicts set no_structure_found = true where segment_id = 2": (
        "evidence.claim_verdicts",
        "no_structure_found is that of marts.segments",
        "claim_id: claim 2, segmentation: behaviour, no_structure_found: True",
    ),
    "update evidence.recommendations set no_structure_found = null where segment_id = 3": (
        "evidence.recommendations",
        "no_structure_found is that of marts.segments",
        "strategy_id: strategy 3, segmentation: behaviour, no_structure_found: null",
    ),
    "update evidence.segment_outcome_noise_check set adjusted_p = 0.005": (
        "evidence.segment_outcome_noise_check",
        "no adjusted p is below its p, and both are from 0 to 1",
        "segmentation: behaviour, outcome: ctr",
    ),
    "update evidence.variation_shares set customers_less_channels = 0.2": (
        "evidence.variation_shares",
        "customers_less_channels is what the shares say",
        "segmentation: behaviour, customers_less_channels: 0.2, of_shares: 0.3",
    ),
    "update evidence.channel_order_agreement set adjusted_p = 0.2": (
        "evidence.channel_order_agreement",
        "no adjusted p is below its p, and both are from 0 to 1",
        "segmentation: behaviour, p: 0.3, adjusted_p: 0.2",
    ),
    "update marts.segment_month_transactions set amount_per_customer_adjusted_p = null "
    "where segment_id = 1": (
        "marts.segment_month_transactions",
        "no adjusted p is below its p, and both are from 0 to 1",
        "segment_id: 1",
    ),
    "update evidence.campaign_effects set effect_status = 'invalid_assignment' "
    "where segment_id = 3": (
        "evidence.campaign_effects",
        "an effect is told exactly where it was measured",
        "segment_id: 3, campaign_id: K1, outcome: conversion, effect_status: invalid_assignment",
    ),
    "update evidence.campaign_effects set null_reasons = 'not_measured' where segment_id = 2": (
        "evidence.campaign_effects",
        "an effect that was not measured says why",
        "segment_id: 2, campaign_id: K1, outcome: conversion, effect_status: measured",
    ),
    "update evidence.campaign_balance set imbalance = null": (
        "evidence.campaign_balance",
        "a standardised difference is told, or why not",
        "campaign_id: K1, feature: tenure_days, imbalance: null",
    ),
    "update evidence.campaign_balance set holdout_count = 0": (
        "evidence.campaign_balance",
        "both groups have customers",
        "campaign_id: K1, feature: tenure_days, treated_count: 300, holdout_count: 0",
    ),
    "update evidence.campaign_effects set largest_imbalance = 0.1 where segment_id = 1": (
        "evidence.campaign_balance",
        "the largest imbalance of campaign_effects is one of these",
        "campaign_id: K1, most_imbalanced_feature: tenure_days, largest_imbalance: 0.1",
    ),
    "update evidence.segmentation_value set gain_high = 0.005": (
        "evidence.segmentation_value",
        WITHIN,
        "cell: behaviour, conversion, K1, figure: gain, low: 0.0, estimate: 0.01, high: 0.005",
    ),
    "update evidence.segmentation_value set null_reasons = 'same_action_everywhere'": (
        "evidence.segmentation_value",
        "a gain without an interval says why",
        "outcome: conversion, campaign_id: K1, null_reasons: same_action_everywhere",
    ),
    "update evidence.recommendations set evidence = 'descriptive' where segment_id = 2": (
        "evidence.recommendations",
        "an effect is expected exactly where it was randomised",
        "strategy_id: strategy 2, evidence: descriptive, expected_effect: 0.03",
    ),
    "insert into marts.segment_engagement from marts.segment_engagement where segment_id = 3": (
        "marts.segment_engagement",
        "one row per segmentation, segment_id",
        "segmentation: behaviour, segment_id: 3, row_count: 2",
    ),
    "update marts.segment_channel_engagement set ctr_low = 0.055 "
    "where segment_id = 2 and channel = 'email'": (
        "marts.segment_channel_engagement",
        WITHIN,
        "cell: behaviour, 2, email, figure: ctr, low: 0.055, estimate: 0.05, high: 0.06",
    ),
    "update marts.segment_product_ownership set ownership_rate_high = 1.2 where segment_id = 1": (
        "marts.segment_product_ownership",
        RATES,
        "cell: behaviour, 1, savings, figure: ownership_rate_high, figure_value: 1.2",
    ),
    "update marts.segment_transactions set amount_per_customer_p25 = 41 where segment_id = 4": (
        "marts.segment_transactions",
        WITHIN,
        "cell: behaviour, 4, deposit, figure: amount_per_customer_median, low: 41.0",
    ),
    "update marts.segment_engagement set clicks_squared = 'nan' where segment_id = 1": (
        "marts.segment_engagement",
        FINITE,
        "cell: behaviour, 1, figure: clicks_squared, figure_value: nan",
    ),
    "update marts.segment_month_transactions set total_amount = -5 where segment_id = 2": (
        "marts.segment_month_transactions",
        FINITE,
        "cell: behaviour, 2, deposit, 2026-01-01, figure: total_amount, figure_value: -5.0",
    ),
    "update marts.segment_digital_usage set segment_id = 9 where segment_id = 4": (
        "marts.segment_digital_usage",
        KNOWN,
        "segmentation: behaviour, segment_id: 9",
    ),
    "update marts.segment_digital_usage set is_small_cell = null where segment_id = 1": (
        "marts.segment_digital_usage",
        "is_small_cell is true or false in every row",
        "segment_id: 1, touchpoint: mobile_app, is_small_cell: null",
    ),
    "update marts.segment_product_ownership set holder_count = 101 where segment_id = 2": (
        "marts.segment_product_ownership",
        "holder_count is not above customer_count",
        "segment_id: 2, product: savings, holder_count: 101, customer_count: 100",
    ),
    "update marts.segment_profiles set feature = null where segment_id = 2": (
        "marts.segment_profiles",
        "no key (segmentation, segment_id, feature) is null",
        "segmentation: behaviour, segment_id: 2, feature: null",
    ),
    "update marts.segments set segment_share = 0.26 where segment_id = 1": (
        "marts.segments",
        "the shares of a segmentation with members sum to 1",
        "segmentation: behaviour, share_sum: 1.01",
    ),
    "delete from customers.segment_members where entity_id = 'C0'": (
        "marts.segments",
        "entity_count is the number of members in customers.segment_members",
        "segmentation: behaviour, segment_id: 1, entity_count: 25, member_count: 24",
    ),
    "update customers.segment_members set second_distance = 0.5 where entity_id = 'C5'": (
        "customers.segment_members",
        "distances are at least 0, the nearest segment first but for who is held back; "
        "one handed in has none",
        "entity_id: C5, distance: 1.0, second_distance: 0.5",
    ),
    "update customers.marketing_contacts set is_contactable = true where customer_id = 'C2'": (
        "customers.marketing_contacts",
        "nobody without consent may be contacted",
        "customer_id: C2, has_consent: False, is_contactable: True",
    ),
    "update customers.marketing_contacts set is_known_adult = false where customer_id = 'C11'": (
        "customers.marketing_contacts",
        "nobody of unknown age may be contacted",
        "customer_id: C11, is_known_adult: False, is_contactable: True",
    ),
    "update customers.marketing_contacts set is_contactable = true where customer_id = 'C93'": (
        "customers.marketing_contacts",
        "of adults with consent those contacted less may be contacted, and only those",
        "most_if_contactable: 3, least_if_not: 3",
    ),
    "update customers.marketing_contacts set last_contact_on = '2026-04-01' "
    "where customer_id = 'C91'": (
        "customers.marketing_contacts",
        "days with a contact are at least 0, and none is without a last one, which is not after "
        "the as-of date",
        "customer_id: C91, contact_day_count: 1, last_contact_on: 2026-04-01",
    ),
    "update marts.segment_value set clv_top_customer_share = 0.4 where segment_id = 1": (
        "marts.segment_value",
        "the top customer has no more than the top tenth",
        "segment_id: 1, clv_top_customer_share: 0.4, clv_top_tenth_share: 0.3",
    ),
    "update marts.segment_metric_changes set mix_change = 0.0": (
        "marts.segment_metric_changes",
        "the three parts add up to the change",
        "metric: ctr, cell: null, change: 0.01, within_change: 0.007, mix_change: 0.0",
    ),
    "update marts.segment_migrations set entity_count = 6 where to_segment_id <> from_segment_id": (
        "marts.segment_migrations",
        "those who moved or stayed are all who were there",
        "from_segment_id: 1, entity_count: 26, from_count: 25",
    ),
    "insert into customers.customer_segment_history by name select * replace "
    "(date '2026-06-30' as valid_from, 2 as segment_id) "
    "from customers.customer_segment_history where customer_id = 'C7'": (
        "customers.customer_segment_history",
        "a customer is in at most one segment now",
        "customer_id: C7, row_count: 2",
    ),
    "update marts.segment_churn set churn_rate = null, churn_rate_low = null, "
    "churn_rate_high = null where segment_id = 1": (
        "marts.segment_churn",
        "a rate that is null has a reason",
        "segment_id: 1, churn_rate: null, null_reasons: null",
    ),
    "update marts.segment_value set mean_probability_active = null where segment_id = 1": (
        "marts.segment_value",
        "a figure that is null has a reason",
        "segment_id: 1, clv_top_tenth_share: 0.3, mean_probability_active: null",
    ),
    "update customers.customer_value set basis = 'none' where customer_id = 'C7'": (
        "customers.customer_value",
        "what has no basis has no figures and a reason",
        "customer_id: C7, basis: none, clv: 40.0",
    ),
    "update customers.customer_value set basis = 'baseline' where customer_id = 'C9'": (
        "customers.customer_value",
        "a baseline has a reason, says how its intervals are made, and has no probability of being "
        "active",
        "customer_id: C9, basis: baseline, interval_method: bootstrap",
    ),
    "update evidence.model_scorecards set use_baseline = false where estimate is null": (
        "evidence.model_scorecards",
        "a value model that was not judged gives way to the baseline and says why",
        "model: customer_value_transactions, metric: root mean squared error against last year",
    ),
    "update evidence.customer_value_fits set fit_status = 'at_bound' where parameter = 'r'": (
        "evidence.customer_value_fits",
        "only a converged fit has estimates, and every other a reason",
        "parameter: r, fit_status: at_bound, estimate: 0.8",
    ),
    "update health.data_quality set row_count = 89 "
    "where entity = 'customers' and check_name = 'accepted'": (
        "health.data_quality",
        "received = accepted + broken + superseded for every entity",
        "entity: customers, received: 100, accounted_for: 99",
    ),
    "update evidence.engagement_factors set timing = 'after' where segment_id = 1": (
        "evidence.engagement_factors",
        "what was measured after the campaign began has no figures",
        "segment_id: 1, outcome: clicked, feature: earlier_ctr, timing: after",
    ),
    "update evidence.model_scorecards set is_better_than_chance = true, estimate_low = 0.49 "
    "where metric = 'auc'": (
        "evidence.model_scorecards",
        "an AUC better than chance has its interval above 0.5, and no other has",
        "model: engagement: clicked, split: time, metric: auc",
    ),
    "update evidence.recommendations set status = 'do_not' where segment_id = 1": (
        "evidence.recommendations",
        "every status follows from the verdicts of the claims",
        "strategy_id: strategy 1, status: do_not, verdicts: ['supported']",
    ),
    "update evidence.recommendations set claim_count = 2 where segment_id = 2": (
        "evidence.recommendations",
        "a strategy rests on the claims it counts",
        "strategy_id: strategy 2, rests_on: claim 2, claim_count: 2",
    ),
    "update evidence.recommendations set customers_per_arm = 9, is_test_possible = true "
    "where segment_id = 3": (
        "evidence.recommendations",
        "only a strategy to test first has customers to test it on, at least one",
        "strategy_id: strategy 3, status: backed, customers_per_arm: 9",
    ),
    "insert into health.build_info select null, 'demo', 'aaaa', 'bbbb'": (
        "health.build_info",
        "as_of_on is given",
        "as_of_on: null",
    ),
    "select 1": ("health.build_info", "exactly 1 row", ""),
    "alter table received.received_customers drop region": (
        "received.received_customers",
        "every column of the raw contract is there",
        "",
    ),
    "update received.received_customers set customer_id = 'C' where source_row < 40": (
        "received.received_customers",
        "one delivery says a key (customer_id) once, in at least 80 % of the rows",
        "customer_id: C, updated_at: null, source_file: part.csv, row_count: 40",
    ),
    "update received.received_customers set birth_year = '62' where source_row < 6": (
        "received.received_customers",
        "birth_year, where given, is a year from 1900 to 2100" + IN_95,
        "source_file: part.csv, source_row: 0, birth_year: 62",
    ),
    "update received.received_customers set marketing_consent = 'perhaps' where source_row < 6": (
        "received.received_customers",
        "marketing_consent, where given, is a known spelling of true or false" + IN_95,
        "marketing_consent: perhaps",
    ),
    "update received.received_transactions set amount = '-1' where source_row < 6": (
        "received.received_transactions",
        "amount, where given, is a number above 0" + IN_95,
        "source_file: part.csv, source_row: 0, amount: -1",
    ),
    "update received.received_campaign_engagements set channel = ' ' where source_row < 6": (
        "received.received_campaign_engagements",
        "channel is given" + IN_95,
        "source_file: part.csv, source_row: 0, channel:  ",
    ),
    "update received.received_campaign_engagements set clicks = 'e' || chr(27) || '[31m' "
    "where source_row < 6": (
        "received.received_campaign_engagements",
        "clicks, where given, is a number of at least 0" + IN_95,
        r"clicks: e\x1b[31m",
    ),
    "update received.received_campaign_engagements set clicks = '11' where source_row > 90": (
        "received.received_campaign_engagements",
        "clicks is not above impressions, where both are numbers" + IN_95,
        "source_row: 91, clicks: 11, impressions: 10",
    ),
    "insert into received.received_campaigns by name "
    "select 'torn, line' as malformed_line, 1 as source_row from range(6)": (
        "received.received_campaigns",
        "the line could be read" + IN_95,
        "malformed_line: torn, line",
    ),
}


@pytest.fixture
def red(build: Callable[..., Settings]) -> tuple[Settings, Verdict]:
    settings = build(*VIOLATIONS)
    return settings, judge(settings)


def test_each_kind_of_violation_is_named_with_its_row(red: tuple[Settings, Verdict]) -> None:
    settings, verdict = red
    assert broken(verdict) == {(relation, words) for relation, words, _ in VIOLATIONS.values()}
    rows = {
        (failure.relation, failure.expectation): failure.examples for failure in verdict.failures
    }
    for relation, words, row in VIOLATIONS.values():
        found = rows[relation, words]
        assert len(found) <= 3
        assert not row or any(row in example for example in found), (relation, words, found)

    written = json.loads(settings.gate_file.read_text())
    assert (written["build_id"], written["success"]) == ("build-1", False)
    assert len(written["failed"]) == len(verdict.failures)
    assert {
        "suite": "handed_in",
        "table": "received.received_customers",
        "expectation": "every column of the raw contract is there",
        "observed": "missing: region",
    } in written["failed"]
    assert "behaviour" not in json.dumps(written)

    lines = failure_lines(verdict.failures)
    assert lines[-1] == (
        f"{len(VIOLATIONS)} expectations do not hold; this build will not be published."
    )
    shown = next(line for line in lines if "a number above 0" in line)
    assert shown.split("  ")[0] == "handed in"
    assert "received.received_transactions" in shown
    assert "6 rows" in shown
    below = lines[lines.index(shown) + 1 :][:4]
    assert below[0] == "    source_file: part.csv, source_row: 0, amount: -1"
    assert [line.startswith("    ") for line in below] == [True, True, True, False]


def test_what_held_and_is_the_same_is_not_asked_again(red: tuple[Settings, Verdict]) -> None:
    settings, verdict = red
    suites = read_suites(settings.root / "expectations")
    relations = {suite.relation for suite in suites}
    assert judge(settings, relations).success
    # Asked is what names a relation that is not the same, whichever it is about.
    changed = "customers.segment_members"
    asked = {suite.relation for suite in suites if changed in suite.names}
    assert asked == {changed, "marts.segments"}
    expected = {one for one in broken(verdict) if one[0] in asked}
    assert expected
    assert broken(judge(settings, relations - {changed})) == expected


def test_a_red_build_ends_with_1_and_the_counts(
    build: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    build(
        "drop table marts.segment_profiles",
        "alter table marts.segment_engagement drop customer_count",
        "delete from received.received_customers",
    )
    assert main() == 1
    told = capsys.readouterr()
    assert "marts.segment_profiles" in told.err
    assert "the relation is in the build" in told.err
    assert 'Referenced column "customer_count" not found' in told.err
    assert "Traceback" not in told.err
    assert "at least 1 row and at most a billion" in told.err
    suites = read_suites(SUITES)
    profiles = next(s for s in suites if s.relation == "marts.segment_profiles")
    handed_out = sum(len(s.expectations) for s in suites if s.group == "handed_out")
    held, of = told.out.splitlines()[1].removeprefix("handed out: ").split(" ")[0:3:2]
    assert (int(held), int(of)) == (handed_out - len(profiles.expectations) - 1, handed_out)


# --- what cannot be judged ---


def test_a_build_that_is_not_whole_is_refused_in_its_own_words(
    build: Callable[..., Settings], root: Path
) -> None:
    settings = Settings.from_environment({}, root)
    with pytest.raises(UserError, match="There is no build file build/dev/demo/warehouse"):
        judge(settings)
    problem = "the last run (dbt build) was not green: stg_customers and 3 more"
    for change, sentence in {
        f"update internal.build_state set problem = '{problem}', is_green = false": (
            f"This build cannot be judged: {problem}."
        ),
        "update internal.build_state set is_complete = false": (
            "This build cannot be judged: the last build did not run to its end; run `make load`."
        ),
        "update internal.build_state set is_green = false": "judged: the last build failed; ",
        "delete from internal.build_state": "holds no whole build; run `make load`.",
        "drop table internal.build_state": "holds no whole build; run `make load`.",
    }.items():
        settings = build(change)
        with pytest.raises(UserError) as refused:
            judge(settings)
        assert sentence in str(refused.value)
        assert "\n" not in str(refused.value)
    settings.build_file.write_text("no database")
    with pytest.raises(UserError, match="cannot be read"):
        judge(settings)


def test_a_build_file_open_for_writing_is_refused_with_a_sentence(
    build: Callable[..., Settings],
) -> None:
    settings = build()
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(settings.build_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdin is not None and writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(UserError, match=f"by another program \\(PID {writer.pid}\\)"):
            judge(settings)
        writer.stdin.write("\n")


BAD_SUITES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "of no relation": (lambda suite: suite["meta"].pop("relation"), "is no suite"),
    "of a query": (lambda suite: suite["meta"].update(relation="a.b; drop"), "name one relation"),
    "that expects nothing": (lambda suite: suite.update(expectations=[]), "expects nothing"),
    "of an unknown type": (
        lambda suite: suite["expectations"][0].update(type="expect_luck"),
        "unknown type",
    ),
    "without its arguments": (
        lambda suite: suite["expectations"][3].update(kwargs={}),
        "is no suite",
    ),
}


@pytest.mark.parametrize("kind", BAD_SUITES)
def test_a_bad_suite_is_refused_and_leaves_no_verdict(
    kind: str, build: Callable[..., Settings], root: Path
) -> None:
    change, sentence = BAD_SUITES[kind]
    settings = build()
    settings.gate_file.write_text('{"build_id": "build-1", "success": true}')
    path = root / "expectations" / "handed_in" / "received_campaigns.json"
    suite = json.loads(path.read_text())
    change(suite)
    path.write_text(json.dumps(suite))
    with pytest.raises(UserError, match=sentence) as refused:
        judge(settings)
    assert "expectations/handed_in/received_campaigns.json" in str(refused.value)
    assert not settings.gate_file.exists()


def test_without_suites_or_with_broken_macros_nothing_passes(
    build: Callable[..., Settings], root: Path
) -> None:
    settings = build()
    (root / "expectations" / "macros.sql").write_text("create macro")
    with pytest.raises(UserError, match=r"expectations/macros\.sql cannot be used"):
        judge(settings)
    shutil.rmtree(root / "expectations" / "handed_out")
    with pytest.raises(UserError, match="expectations/handed_out holds no suite"):
        judge(settings)
    assert not settings.gate_file.exists()


# --- the suites themselves ---


# A file of a model with versions, and the address it has.
VERSIONED = {"recommendations": "recommendations_v2", "recommendations_v1": "recommendations"}


def test_every_relation_that_is_handed_in_or_out_has_a_suite() -> None:
    models = PROJECT / "models"
    expected = {f"received.{path.stem}" for path in (models / "received").glob("*.sql")}
    expected |= {f"marts.{path.stem}" for path in (models / "marts").rglob("*.sql")}
    expected |= ALSO_HANDED_OUT
    evidence = [path.stem for path in (models / "evidence").rglob("*.sql")]
    expected |= {
        f"evidence.{VERSIONED.get(name, name)}" for name in evidence if not name.startswith("int_")
    }
    assert {suite.relation for suite in read_suites(SUITES)} == expected


def test_suite_files_are_tidy_and_say_in_words_what_they_expect() -> None:
    ids: list[str] = []
    for suite in read_suites(SUITES):
        text = (PROJECT / suite.path).read_text()
        content = json.loads(text)
        assert text == json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        assert suite.path.stem == suite.relation.split(".")[1]
        assert suite.name == f"{suite.group}.{suite.path.stem}"
        assert all(one["description"] for one in suite.expectations)
        ids += [content["id"], *(one["id"] for one in suite.expectations)]
    assert len(ids) == len(set(ids))


def test_a_line_a_suite_says_how_many_hold() -> None:
    verdict = Verdict(build_id="b", expected={"handed_in": 63, "handed_out": 2})
    assert suite_lines(verdict) == [
        "handed in: 63 of 63 expectations hold",
        "handed out: 2 of 2 expectations hold",
    ]
