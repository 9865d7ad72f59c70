"""Campaign effects of the demo, computed a second time with pandas, and what bad input comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from effects_sql import campaign_effects
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
    paid["amount"] = paid["amount"].astype(float)
    on = pd.to_datetime(paid["transacted_at"]).dt.normalize()
    for name, first in (("purchase_amount", start), ("purchase_amount_before", start - DAYS)):
        within = paid[(on >= first) & (on < first + DAYS)].groupby("customer_id")["amount"].sum()
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
select 'C6', 'savings', date '2026-04-01', null;
create table stg_transactions as
select customer_id, 'payment' as transaction_type, date '2026-01-10' as transacted_on,
       cast(10 as decimal(18, 2)) as amount
from stg_customers
union all
select customer_id, 'deposit', date '2026-01-10', 1000000 from stg_customers
union all
-- One customer with more than half of all amounts.
select 'C8', 'payment', date '2026-02-10', 1000000;
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


def test_a_campaign_without_a_product_still_has_an_effect_on_purchases() -> None:
    assert whole("nameless", "purchase_amount")["effect_status"] == "measured"


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
    assert whole("fair")["overlapping_campaign_count"] == 2
    assert whole("all_held_out")["overlapping_campaign_count"] == 0


def test_no_cost_gives_no_cost_per_conversion() -> None:
    row = whole("fair_too")
    assert pd.isna(row["cost_per_incremental_conversion"])
    assert row["cost_reason"] == "No cost was handed in."


def test_one_customer_with_most_of_all_purchases_leaves_no_verdict() -> None:
    row = whole("fair", "purchase_amount")
    assert row["is_small_cell"] and pd.isna(row["p"])
    assert row["treated_mean"] == pytest.approx(10 + 1_000_000 / 200)


def test_segments_made_from_the_outcome_say_so() -> None:
    found = bad_input()
    for outcome, campaign_id, expected in (
        ("conversion", "fair", True),
        ("conversion", "broken", False),
        ("purchase_amount", "fair", False),
    ):
        rows = found[(found["outcome"] == outcome) & (found["campaign_id"] == campaign_id)]
        assert not rows.loc[rows["is_all_customers"], "is_outcome_in_segments"].any()
        own = rows.loc[~rows["is_all_customers"], "is_outcome_in_segments"]
        assert (own == expected).all()
