"""Campaign effects of the demo, computed a second time with pandas, and what bad input comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, Build
from effects_sql import campaign_effects, segmentation_value
from evidence_sql import build, models_for, tables_of
from rendering import project_vars
from scipy import stats

VARS = project_vars()
Z = float(stats.norm.ppf((1 + VARS["confidence_level"]) / 2))
DAYS = pd.Timedelta(days=VARS["effect_window_days"])


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


# --- the demo, counted twice ---


def wilson(successes: float, n: int) -> tuple[float, float]:
    found = stats.binomtest(int(successes), n).proportion_ci(VARS["confidence_level"], "wilson")
    return found.low, found.high


def compared(demo: duckdb.DuckDBPyConnection, campaign: pd.Series) -> pd.DataFrame:
    """One row per customer compared: is_treated, and outcome and behaviour before of both kinds."""
    rows = demo.sql("from staging.stg_campaign_engagements").df()
    rows = rows[rows["campaign_id"] == campaign["campaign_id"]]
    customers = demo.sql("from staging.stg_customers").df().set_index("customer_id")
    adults = demo.sql("from intermediate.int_adult_customers").df()["customer_id"]
    kinds = rows.groupby("customer_id")["is_holdout"].agg(["all", "any"])
    kinds = kinds[(kinds["all"] == kinds["any"]) & kinds.index.isin(adults)]
    kinds = kinds[~(customers["joined_on"].reindex(kinds.index) > campaign["starts_on"])]
    found = pd.DataFrame({"is_treated": ~kinds["all"]})
    start = campaign["starts_on"]

    holdings = demo.sql("from staging.stg_product_holdings").df()
    holdings = holdings[holdings["product"] == campaign["product"]]
    opened = holdings[holdings["opened_on"].between(start, start + DAYS - pd.Timedelta(days=1))]
    held = holdings[(holdings["opened_on"] < start) & ~(holdings["closed_on"] < start)]
    found["conversion"] = found.index.isin(opened["customer_id"]).astype(float)
    found["conversion_before"] = found.index.isin(held["customer_id"]).astype(float)

    paid = demo.sql("from staging.stg_transactions").df()
    paid = paid[paid["transaction_type"].isin(VARS["purchase_transaction_types"])]
    margin = pd.read_csv(PROJECT / "seeds" / "margins.csv").set_index("transaction_type")
    paid["revenue"] = paid["amount"].astype(float) * paid["transaction_type"].map(
        margin["margin_rate"]
    )
    on = pd.to_datetime(paid["transacted_at"]).dt.normalize()
    for name, first in (("revenue", start), ("revenue_before", start - DAYS)):
        within = paid[(on >= first) & (on < first + DAYS)].groupby("customer_id")["revenue"].sum()
        found[name] = within.reindex(found.index).fillna(0.0)
    return found


def test_effects_of_the_demo_are_those_of_its_customers(demo: duckdb.DuckDBPyConnection) -> None:
    mart = demo.sql("from evidence.campaign_effects where segmentation = 'behaviour'").df()
    campaigns = demo.sql("from staging.stg_campaigns").df()
    members = demo.sql("from customers.customer_segments where segmentation = 'behaviour'").df()
    segment = members.set_index("customer_id")["segment_id"]
    assert mart["campaign_id"].nunique() == 6
    checked = 0
    for _, campaign in campaigns[campaigns["campaign_id"].isin(mart["campaign_id"])].iterrows():
        customers = compared(demo, campaign)
        customers["segment_id"] = segment.reindex(customers.index)
        own = mart[mart["campaign_id"] == campaign["campaign_id"]]
        for row in own.itertuples():
            cell = customers
            if not row.is_all_customers:
                cell = customers[customers["segment_id"] == row.segment_id]
            y, x = cell[row.outcome], cell[f"{row.outcome}_before"]
            arms = [cell["is_treated"], ~cell["is_treated"]]
            assert [row.treated_count, row.holdout_count] == [arm.sum() for arm in arms]
            means = [y[arm].mean() for arm in arms]
            assert [row.treated_mean, row.holdout_mean] == pytest.approx(means)
            # The slope within arms, by least squares on centred values.
            centred = [
                values - values.groupby(cell["is_treated"]).transform("mean") for values in (x, y)
            ]
            slope = np.linalg.lstsq(centred[0].to_numpy()[:, None], centred[1], rcond=None)[0][0]
            z = y - slope * (x - x.mean())
            effect = z[arms[0]].mean() - z[arms[1]].mean()
            assert row.itt_effect == pytest.approx(effect, rel=1e-9, abs=1e-12)
            if not pd.isna(row.relative_effect):
                ratio = z[arms[0]].mean() / z[arms[1]].mean()
                assert row.relative_effect == pytest.approx(ratio - 1, rel=1e-9, abs=1e-12)
            variances = [sum(v[arm].var() / arm.sum() for arm in arms) for v in (y, z)]
            left = variances[1] / variances[0] if variances[0] > 0 else 1.0
            assert row.variance_reduction == pytest.approx(1 - left, abs=1e-9)
            if row.outcome == "conversion":
                (l1, u1), (l0, u0) = (wilson(y[arm].sum(), arm.sum()) for arm in arms)
                low = math.hypot(means[0] - l1, u0 - means[1]) * math.sqrt(left)
                high = math.hypot(u1 - means[0], means[1] - l0) * math.sqrt(left)
                pooled = y.mean()
                error = math.sqrt(pooled * (1 - pooled) * left * sum(1 / a.sum() for a in arms))
                assert row.itt_effect_low == pytest.approx(effect - low, abs=1e-9)
                assert row.itt_effect_high == pytest.approx(effect + high, abs=1e-9)
                if not row.is_small_cell:
                    assert row.p == pytest.approx(2 * stats.norm.sf(abs(effect) / error))
                shift = row.smallest_difference / error if error else math.nan
                power = stats.norm.sf(Z - shift) + stats.norm.sf(Z + shift)
                assert row.power == pytest.approx(power, nan_ok=True)
                if not pd.isna(row.cost_per_incremental_conversion):
                    cost = row.campaign_cost / (row.treated_count * effect)
                    assert row.cost_per_incremental_conversion == pytest.approx(cost)
                    assert row.itt_effect_low > 0
                checked += 1
            else:
                error = math.sqrt(variances[1])
                assert row.itt_effect_high - row.itt_effect_low == pytest.approx(
                    2 * Z * error, rel=0.35
                )
            if row.is_all_customers:
                share = campaign["planned_holdout_share"]
                counts = [arm.sum() for arm in arms]
                expected = np.array([1 - share, share]) * sum(counts)
                p = stats.chisquare(counts, expected.astype(float)).pvalue
                assert row.sample_ratio_p == pytest.approx(p)
    assert checked == 30
    for _, rows in mart.groupby("family"):
        tests = rows[rows["p"].notna()]
        expected = stats.false_discovery_control(tests["p"]) if len(tests) else []
        assert list(tests["adjusted_p"]) == pytest.approx(list(expected))


def test_recommendations_speak_of_an_effect_only_where_one_was_measured(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    found = demo.sql("from evidence.recommendations").df().set_index("strategy_id")
    row = found.loc["demo_cross_sell_investment"]
    assert (row["evidence"], row["effect_campaign_id"]) == ("randomised", "K06")
    effects = demo.sql("from evidence.campaign_effects where is_all_customers").df()
    own = effects[(effects["campaign_id"] == "K06") & (effects["outcome"] == "conversion")]
    assert row["expected_effect"] == own["itt_effect"].item()
    others = found.drop(index="demo_cross_sell_investment")
    assert others["expected_effect"].isna().all()
    supported = others["supported_claim_count"] > 0
    assert (others["evidence"] == np.where(supported, "descriptive", "none")).all()


# --- bad input ---

INPUTS = """
create table as_of as select date '2026-06-30' as as_of_on;
create table stg_campaigns (
    campaign_id varchar, product varchar, starts_on date, ends_on date,
    planned_holdout_share double
);
insert into stg_campaigns values
    ('fair', 'savings', '2026-01-01', '2026-01-31', 0.5),
    ('fair_too', 'savings', '2026-02-01', '2026-02-28', 0.5),
    ('all_held_out', 'savings', '2025-01-01', '2025-01-31', 0.5),
    ('unplanned', 'insurance', '2026-01-01', '2026-01-31', null),
    ('broken', 'insurance', '2026-01-01', '2026-01-31', 0.2),
    ('late', 'credit_card', '2026-06-01', '2026-06-30', 0.5),
    ('nameless', null, '2026-01-01', '2026-01-31', 0.5),
    ('without_holdout', 'savings', '2026-01-01', '2026-01-31', null);
-- 400 adults in two segments, a minor (401) and one who joined later (402); odd ones are held out.
create table stg_customers as
select 'C' || number as customer_id,
       case number when 402 then date '2026-01-02' else date '2020-01-01' end as joined_on,
       case number when 401 then 2015 else 1980 end as birth_year
from range(1, 403) as numbers (number);
create table customer_segments as
select 'given' as segmentation, customer_id,
       case when cast(substr(customer_id, 2) as integer) <= 200 then 1 else 2 end as segment_id
from stg_customers;
create table int_segmentation_sources as
select 'given' as segmentation, 'product_holdings.product' as raw_column, 'savings' as cell;
create table stg_campaign_engagements as
select campaign_id, 'C' || number as customer_id, starts_on as occurred_on,
       campaign_id <> 'without_holdout' and (number % 2 = 1 or campaign_id = 'all_held_out')
           as is_holdout,
       case when number % 2 = 0 and number % 10 <> 0 then 1 else 0 end as impressions,
       case when number % 2 = 0 then 1 else 0 end as conversions,
       case when number % 2 = 0 and campaign_id <> 'fair_too' then 0.5 else 0 end as cost_amount
from stg_campaigns cross join range(1, 403) as numbers (number);
-- One customer in both groups.
insert into stg_campaign_engagements values ('fair', 'C1', '2026-01-05', false, 1, 0, 0.5);
-- Two in five of the treated and one in five of those held out open savings; an owner of old, too.
create table stg_product_holdings as
select 'C' || number as customer_id, 'savings' as product, date '2026-01-20' as opened_on,
       cast(null as date) as closed_on
from range(1, 401) as numbers (number)
where number % 10 in (2, 4) or number % 10 = 3
union all
select 'C2', 'savings', date '2019-01-01', null
union all
select 'C6', 'savings', date '2026-04-01', null
union all
select 'C401', 'credit_card', date '2026-04-30', null;
create table stg_transactions as
select customer_id, 'payment' as transaction_type, date '2026-01-10' as transacted_on,
       cast(10 as decimal(18, 2)) as amount
from stg_customers
union all
select customer_id, 'deposit', date '2026-01-10', 1000000 from stg_customers
union all
-- One customer with more than half of all amounts; the files cover every window but the last.
select 'C8', 'payment', date '2026-02-10', 1000000
union all
select 'C401', 'payment', days.transacted_on, 1
from (values (date '2024-10-01'), (date '2026-04-30')) as days (transacted_on);
create table int_purchase_margins as select 'payment' as transaction_type, 0.5 as margin_rate;
"""


@cache
def bad_input() -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.execute(INPUTS)
        return campaign_effects(connection)


def whole(campaign_id: str, outcome: str = "conversion") -> pd.Series:
    found = bad_input()
    found = found[found["is_all_customers"] & (found["outcome"] == outcome)]
    return found[found["campaign_id"] == campaign_id].iloc[0]


def test_without_a_holdout_there_is_no_row() -> None:
    assert "without_holdout" not in set(bad_input()["campaign_id"])
    assert bad_input()["campaign_id"].nunique() == 7


@pytest.mark.parametrize(
    ("campaign_id", "status"),
    [
        ("fair", "measured"),
        ("all_held_out", "one_arm"),
        ("unplanned", "unplanned_holdout"),
        ("broken", "invalid_assignment"),
        ("late", "window_open"),
        ("nameless", "no_product"),
    ],
)
def test_what_cannot_be_compared_has_a_status_and_no_effect(campaign_id: str, status: str) -> None:
    found = bad_input()
    rows = found[(found["campaign_id"] == campaign_id) & (found["outcome"] == "conversion")]
    assert len(rows) == 3
    assert set(rows["effect_status"]) == {status}
    figures = ["itt_effect", "itt_effect_low", "unadjusted_effect", "relative_effect", "p"]
    if status != "measured":
        assert rows[figures].isna().all(axis=None)
        assert rows["cost_reason"].eq("No effect was measured.").all()
    assert rows["effect_reason"].str.endswith(".").all()


MEASURED_BY = {"conversion": "stg_product_holdings", "revenue": "stg_transactions"}
FIGURES = [
    *("itt_effect", "itt_effect_low", "itt_effect_high", "unadjusted_effect", "relative_effect"),
    *("treated_mean", "holdout_mean", "power", "pooled_effect", "p"),
]


def with_change(*changes: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Effects of the campaign `fair`, balance, and what segments are worth, after changes."""
    with duckdb.connect() as connection:
        connection.execute(INPUTS)
        for change in changes:
            connection.execute(change)
        effects = campaign_effects(connection)
        worth = segmentation_value(connection, 2)
        balance = connection.sql("from campaign_balance where campaign_id = 'fair'").df()
    return effects[effects["campaign_id"] == "fair"], balance, worth


@pytest.mark.parametrize(
    ("outcome", "status", "change"),
    [
        ("conversion", "no_holdings", "delete from {table}"),
        ("conversion", "no_holdings", "update {table} set product = 'sparings'"),
        ("conversion", "short_record", "delete from {table} where opened_on > '2026-03-10'"),
        ("conversion", "short_record", "delete from {table} where opened_on <= '2026-01-19'"),
        ("revenue", "no_transactions", "delete from {table}"),
        ("revenue", "no_transactions", "delete from {table} where transaction_type = 'payment'"),
        ("revenue", "short_record", "delete from {table} where transacted_on > '2026-03-16'"),
        ("revenue", "short_record", "delete from {table} where transacted_on <= '2026-01-15'"),
    ],
)
def test_a_missing_file_gives_no_effect_and_no_worth(
    outcome: str, status: str, change: str
) -> None:
    """Where nothing was handed in, both arms would agree on a precise 0."""
    effects, _, worth = with_change(change.format(table=MEASURED_BY[outcome]))
    rows = effects[effects["outcome"] == outcome]
    assert set(rows["effect_status"]) == {status}
    assert rows[FIGURES].isna().all(axis=None)
    assert rows["null_reasons"].str.contains("not_measured").all()
    others = effects[effects["outcome"] != outcome]
    assert set(others["effect_status"]) == {"measured"}
    valued = {"conversion": "revenue_less_cost", "revenue": "conversion"}[outcome]
    assert list(worth.loc[worth["campaign_id"] == "fair", "outcome"]) == [valued]


def test_worth_is_a_sentence_with_its_figures() -> None:
    _, _, worth = with_change()
    found = worth[worth["campaign_id"].eq("fair") | worth["is_all_campaigns"]]
    assert len(found) == 4 and found["is_outcome_in_segments"].sum() == 2
    for row in found.itertuples():
        # Savings are what these segments were made from; payments are not.
        assert row.is_outcome_in_segments == (row.outcome == "conversion")
        unit = {"conversion": "conversions", "revenue_less_cost": VARS["currency"]}[row.outcome]
        whose, end = ("This", " and campaign.")
        if not row.is_all_campaigns:
            whose, end = ("In campaign fair this", ".")
        if pd.isna(row.gain_low):
            assert row.gain == 0 and "same_action_everywhere" in row.null_reasons
            assert row.worth.startswith(f"{whose} segmentation was worth nothing that could be")
        else:
            figures = f"{row.gain:.4f} ({row.gain_low:.4f} to {row.gain_high:.4f})"
            expected = f"{whose} segmentation is worth {figures} {unit} per customer{end}"
            assert row.worth == expected
    # No cost was handed in for it.
    assert set(worth.loc[worth["campaign_id"] == "fair_too", "outcome"]) == {"conversion"}


def test_revenue_less_cost_counts_the_treated_ones_costs() -> None:
    with duckdb.connect() as connection:
        connection.execute(INPUTS)
        campaign_effects(connection)
        segmentation_value(connection, 2)
        found = connection.sql("""
            select is_treated, outcome_value, count(*) as customers
            from int_campaign_policy_customers
            where campaign_id = 'fair' and outcome = 'revenue_less_cost' and customer_id <> 'C8'
            group by all order by all
        """).fetchall()
    # Half of a payment of 10; half a euro for each of the treated.
    assert found == [(0.0, 5.0, 199), (1.0, 4.5, 199)]


def test_files_that_just_cover_the_window_are_enough() -> None:
    """Fourteen days without a row are no hole (var record_gap_days); fifteen are."""
    for day, status in (("2026-03-17", "measured"), ("2026-03-16", "short_record")):
        effects, _, _ = with_change(
            "delete from stg_transactions where transacted_on > '2026-03-01'",
            f"insert into stg_transactions values ('C1', 'payment', '{day}', 1)",
        )
        assert set(effects.loc[effects["outcome"] == "revenue", "effect_status"]) == {status}


def test_balance_is_known_of_what_was_handed_in_alone() -> None:
    _, balance, _ = with_change("delete from stg_product_holdings")
    found = balance.set_index("feature")
    unknown = ["has_held_before", "products_before"]
    assert set(found.index[found["null_reasons"] == "unknown_before"]) == set(unknown)
    assert found.loc[unknown, ["treated_mean", "holdout_mean", "imbalance"]].isna().all(axis=None)
    assert (found["treated_count"] == 200).all() and (found["holdout_count"] == 199).all()
    assert found.loc["tenure_days", "null_reasons"] == "no_variation"


def test_a_holdout_who_was_shown_the_campaign_stays_in_the_holdout() -> None:
    """Dropping those whom the campaign found would leave a holdout that no lot has drawn."""
    contaminated = "create table int_contaminated_holdouts as select * from (values"
    effects, balance, _ = with_change(
        # C3's only row was rejected; C5 has an accepted one, too.
        "delete from stg_campaign_engagements where campaign_id = 'fair' and customer_id = 'C3'",
        f"{contaminated} ('fair', 'C3'), ('fair', 'C5')) as shown (campaign_id, customer_id)",
    )
    row = effects[effects["is_all_customers"] & (effects["outcome"] == "conversion")].iloc[0]
    assert (row["treated_count"], row["holdout_count"]) == (200, 199)
    assert (row["contaminated_holdout_count"], row["both_arms_count"]) == (2, 1)
    assert row["holdout_mean"] == pytest.approx(40 / 199)
    assert (balance["holdout_count"] == 199).all()
    assert whole("fair")["contaminated_holdout_count"] == 0


BASE_ROWS = """
create table base_campaign_engagements as from (values
    ('shown', 'K', 'C1', 'broken', 'holdout_with_impressions'),
    ('mended', 'K', 'C2', 'broken', 'holdout_with_impressions'),
    ('mended', 'K', 'C2', 'accepted', null),
    ('deleted', 'K', 'C3', 'broken', 'holdout_with_impressions'),
    ('deleted', 'K', 'C3', 'superseded', null),
    ('late', 'K', 'C4', 'broken', 'future_date|holdout_with_impressions'),
    ('fine', 'K', 'C5', 'accepted', null),
    ('seen', 'K', 'C6', 'broken', 'holdout_with_impressions'),
    ('slip', 'unplanned', 'C7', 'broken', 'holdout_with_impressions'),
    ('also_shown', 'K', 'C8', 'broken', 'holdout_with_impressions'))
as rows_of (engagement_id, campaign_id, customer_id, row_status, broken_rules);
create table stg_campaigns as from (values ('K', 0.5), ('unplanned', null))
as campaigns (campaign_id, planned_holdout_share);
create table stg_campaign_engagements as from (values
    ('K', 'C2', true), ('K', 'C5', true), ('K', 'C6', false), ('K', 'C8', true))
as rows_of (campaign_id, customer_id, is_holdout);
"""


def test_a_contaminated_holdout_is_one_whose_row_nothing_else_is_wrong_with() -> None:
    """C6 has an accepted row as one of the treated, and stays one."""
    with duckdb.connect() as connection:
        connection.execute(BASE_ROWS)
        build(connection, models_for("int_contaminated_holdouts", tables_of(connection)))
        found = connection.sql("from int_contaminated_holdouts")
        assert found.order("all").fetchall() == [
            ("K", "C1"),
            ("K", "C8"),
        ]


def test_every_null_figure_of_an_effect_has_its_reason() -> None:
    """And no reason is given for a figure that is there."""
    found = bad_input()
    reasons = found["null_reasons"].fillna("").str.split("|")
    for figure, names in {
        "itt_effect": {"not_measured"},
        "relative_effect": {
            *("not_measured", "none_treated", "none_held_out", "adjusted_below_zero"),
        },
        "power": {"not_measured", "no_variation"},
        "detectable_effect": {"not_measured", "no_variation"},
        "pooled_effect": {"not_measured", "no_variation", "all_customers", "few_segments"},
        "p": {"not_measured", "no_variation", "small_cell"},
    }.items():
        has_reason = reasons.map(lambda given, names=names: bool(names & set(given)))
        assert (found[figure].isna() == has_reason).all(), figure


def test_a_campaign_without_a_product_still_has_an_effect_on_purchases() -> None:
    assert whole("nameless", "revenue")["effect_status"] == "measured"


def test_who_is_compared() -> None:
    """C1 is in both groups, C401 a minor, C402 joined after the start."""
    row = whole("fair")
    assert (row["treated_count"], row["holdout_count"]) == (200, 199)
    assert (row["both_arms_count"], row["joined_after_count"]) == (1, 1)
    assert row["reached_count"] == 160
    assert row["platform_conversion_count"] == 200
    assert row["campaign_cost"] == 100
    # 402 had joined by then.
    later = whole("fair_too")
    assert (later["treated_count"], later["holdout_count"]) == (201, 200)


def test_openings_are_counted_alike_and_once() -> None:
    """An owner counts when opening again; an opening after the window does not."""
    row = whole("fair")
    assert row["treated_mean"] == pytest.approx(80 / 200)
    assert row["holdout_mean"] == pytest.approx(40 / 199)
    assert row["cost_per_incremental_conversion"] == pytest.approx(100 / (200 * row["itt_effect"]))
    assert row["cost_per_incremental_conversion_high"] == pytest.approx(
        100 / (200 * row["itt_effect_low"])
    )


def test_campaigns_for_the_same_product_at_the_same_time_are_counted() -> None:
    assert whole("fair")["window_overlap_campaign_count"] == 2
    assert whole("all_held_out")["window_overlap_campaign_count"] == 0


def test_no_cost_gives_no_cost_per_conversion() -> None:
    row = whole("fair_too")
    assert pd.isna(row["cost_per_incremental_conversion"])
    assert row["cost_reason"] == "No cost was handed in."


def test_one_customer_with_most_of_all_purchases_leaves_no_verdict() -> None:
    row = whole("fair", "revenue")
    assert row["is_small_cell"] and pd.isna(row["p"])
    assert "small_cell" in row["null_reasons"]
    assert row["treated_mean"] == pytest.approx(0.5 * (10 + 1_000_000 / 200))


def test_segments_made_from_the_outcome_say_so() -> None:
    found = bad_input()
    for outcome, campaign_id, expected in (
        ("conversion", "fair", True),
        ("conversion", "broken", False),
        ("revenue", "fair", False),
    ):
        rows = found[(found["outcome"] == outcome) & (found["campaign_id"] == campaign_id)]
        assert not rows.loc[rows["is_all_customers"], "is_outcome_in_segments"].any()
        own = rows.loc[~rows["is_all_customers"], "is_outcome_in_segments"]
        assert (own == expected).all()
