"""Engagement and ownership by month, recomputed with pandas from the raw files of the demo.

Rows are accepted as test_marts_against_pandas has it from the raw contract; of the warehouse only
the assignment of customers to segments is used.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from conftest import Build
from rendering import evaluate, render
from test_marts_against_pandas import (
    AS_OF,
    NAMES,
    Row,
    accepted,
    assert_rows,
    decided_rows,
    engagement_row,
    is_same,
    named,
    reached,
    table,
    wilson,
)

COUNTS = ["impressions", "openable", "opens", "clicks", "conversions"]
MONTHS = list(pd.period_range("2025-01", "2026-06", freq="M"))
Rows = dict[str, pd.DataFrame]
Mart = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return decided_rows(AS_OF)


@pytest.fixture(scope="module")
def segment_of(demo_build: Build) -> pd.Series:
    """Segment id by customer id."""
    members = table(demo_build.path, "customers.customer_segments")
    return members.set_index("customer_id")["segment_id"].astype("int64").sort_index()


@pytest.fixture(scope="module")
def mart(demo_build: Build) -> Mart:
    return lambda name: table(demo_build.path, f"marts.{name}")


def reached_in(rows: Rows, month: pd.Period) -> pd.DataFrame:
    """One row per adult reached in the month, by customer id."""
    frame = rows["campaign_engagements"]
    own = frame[frame["occurred_on"].dt.to_period("M") == month]
    by_channel = reached({**rows, "campaign_engagements": own}, after=pd.Timestamp.min)
    return by_channel.groupby("customer_id")[COUNTS].sum(min_count=1)


def known_by(rows: Rows, month: pd.Period) -> pd.Index:
    """Customers joined by the month's end, or with a holding or an impression before that."""
    customers = accepted(rows["customers"])
    joined = customers["customer_id"][~(customers["joined_on"] > month.end_time)]
    holdings = accepted(rows["product_holdings"])
    sends = accepted(rows["campaign_engagements"])
    sends = sends[~sends["is_holdout"].astype(bool) & (sends["impressions"] > 0)]
    held = holdings["customer_id"][holdings["opened_on"] <= month.end_time]
    seen = sends["customer_id"][sends["occurred_on"] <= month.end_time]
    return pd.Index(sorted({*joined, *held, *seen}))


def test_segment_month_engagement(rows: Rows, segment_of: pd.Series, mart: Mart) -> None:
    expected: list[Row] = []
    for month in MONTHS:
        sizes = segment_of[known_by(rows, month)].value_counts()
        expected += [
            {
                "segment_id": segment,
                "month_starts_on": month.start_time.date(),
                **engagement_row(own, int(sizes[segment])),
            }
            for segment, own in reached_in(rows, month).groupby(segment_of)
        ]
    found = mart("segment_month_engagement")
    assert_rows(found, ["segment_id", "month_starts_on"], expected, but=NAMES)
    sizes = found.groupby("month_starts_on")["customer_count"].sum()
    assert sizes.iloc[0] < sizes.iloc[-1] == len(segment_of), "nobody joins in the demo's months"


def test_months_of_segments_roll_up_to_the_months_of_all_customers(rows: Rows, mart: Mart) -> None:
    found = mart("segment_month_engagement")
    sums = [name for name in found if name.endswith(("_count", "_squared", "_cubed", "_sum"))]
    sums += [name for name in found if "_times_" in name and name not in sums]
    for month in MONTHS:
        of_month = found[found["month_starts_on"] == month.start_time.date()]
        rolled = of_month[sums].sum(min_count=1).to_frame().T
        rolled = rolled.astype({name: float for name in sums})
        relation = f"(select *, {render('engagement_moments()')} from frame) as rolled"
        names = [
            rate + end
            for rate in ("ctr", "mean_customer_ctr", "open_rate", "conversion_rate")
            for end in ("", "_low", "_high")
        ]
        rates = f"(select {render('engagement_rates()')} from {relation}) as rates"
        figures = evaluate({name: name for name in names}, rates, rolled)
        expected = engagement_row(reached_in(rows, month), int(rolled["customer_count"].iloc[0]))
        for name in names:
            assert is_same(figures[name][0], expected[name]), (month, name)


def test_ownership_by_month(rows: Rows, segment_of: pd.Series, mart: Mart) -> None:
    holdings = accepted(rows["product_holdings"])
    segment = holdings["customer_id"].map(segment_of)
    expected: dict[str, list[Row]] = {"product": [], "any": []}
    for month in MONTHS:
        end = min(month.end_time.normalize(), AS_OF)
        is_held = (holdings["opened_on"] <= end) & ~(holdings["closed_on"] <= end)
        is_bought = holdings["opened_on"].dt.to_period("M") == month
        for segment_id, size in segment_of[known_by(rows, month)].value_counts().items():
            for product in [*sorted(set(holdings["product"])), None]:
                own = segment == segment_id
                if product:
                    own &= holdings["product"] == product
                holders = holdings["customer_id"][own & is_held].nunique()
                buyers = holdings["customer_id"][own & is_bought].nunique()
                expected["product" if product else "any"].append(
                    {
                        "segment_id": segment_id,
                        "month_starts_on": month.start_time.date(),
                        **({"product": product} if product else {}),
                        "customer_count": size,
                        "holder_count": holders,
                        "buyer_count": buyers,
                        **named("ownership_rate", holders / size, wilson(holders, size)),
                        **named("purchase_rate", buyers / size, wilson(buyers, size)),
                        "is_small_cell": size < 200 or holders < 20,
                    }
                )
    found = mart("segment_month_product_ownership")
    keys = ["segment_id", "month_starts_on"]
    assert_rows(found, [*keys, "product"], expected["product"], but=NAMES)
    assert_rows(mart("segment_month_ownership"), keys, expected["any"], but=NAMES)
    repeated = holdings.groupby(["customer_id", "product"]).size()
    assert (repeated > 1).any(), "nobody holds one product twice, so counting twice would not show"
