"""The demo's campaign, churn and retention marts, recomputed with pandas from the raw files.

Rows are accepted as test_marts_against_pandas has it from the raw contract; of the warehouse only
the assignment of customers to segments is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from scipy import stats
from test_marts_against_pandas import (
    ADULT,
    AS_OF,
    SEEDS,
    accepted,
    booleans,
    cents,
    decided_rows,
    moments,
)
from unskewed import Estimate, mean_of, ratio_of

AFTER_SEND = pd.Timedelta(days=30)
CHURN = pd.Timedelta(days=90)
LEVEL = 0.95
Row = Mapping[str, Any]
Rows = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return decided_rows(AS_OF)


@pytest.fixture(scope="module")
def warehouse(demo_build: Build) -> Iterable[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


def adults(rows: Rows) -> set[str]:
    frame = accepted(rows["customers"])
    return set(frame.loc[~(AS_OF.year - frame["birth_year"] < ADULT).fillna(False), "customer_id"])


def consents(rows: Rows) -> dict[str, list[tuple[pd.Timestamp, bool, bool]]]:
    """Customer to changes of consent in order: the moment, what held before it, what after."""
    frame = rows["customers"]
    day = frame["updated_at"].dt.normalize()
    is_deleted = booleans(frame["is_deleted"]).fillna(False).astype(bool)
    known = (frame["status"] == "accepted") | (
        (frame["status"] == "superseded") & ~is_deleted & ~(day > AS_OF)
    )
    frame = frame.assign(
        said=booleans(frame["marketing_consent"]).fillna(False).astype(bool),
        moment=moments(frame["consent_changed_at"]),
    )
    result: dict[str, list[tuple[pd.Timestamp, bool, bool]]] = {}
    for customer, versions in frame[known].groupby("customer_id"):
        ordered = versions.sort_values(["updated_at", "line"], na_position="first")
        last: dict[pd.Timestamp, bool] = {}
        for number, version in enumerate(ordered.itertuples()):
            moment = version.moment
            if pd.isna(moment):
                moment = version.updated_at if number else pd.Timestamp.min
            last[moment] = version.said
        joined = versions["joined_on"].iloc[-1]
        changes = []
        before: bool | None = None
        for moment, said in sorted(last.items()):
            if before is None:
                refused = moment == pd.Timestamp.min or moment.normalize() <= joined
                before = not said and not refused
            if said != before:
                changes.append((moment, before, said))
            before = said
        result[str(customer)] = changes
    return result


def has_consent(changes: list[tuple[pd.Timestamp, bool, bool]], day: pd.Timestamp) -> bool:
    """Whether consent held at any moment of the day."""
    if not changes:
        return False
    of_day = [said for moment, _, said in changes if moment.normalize() == day]
    earlier = [said for moment, _, said in changes if moment.normalize() < day]
    held = earlier[-1] if earlier else changes[0][1]
    return held or any(of_day)


@pytest.fixture(scope="module")
def engagements(rows: Rows) -> pd.DataFrame:
    """Accepted rows of adults with all that a row can say of a send."""
    frame = accepted(rows["campaign_engagements"])
    frame = frame[frame["customer_id"].isin(adults(rows))].copy()
    channels = pd.read_csv(SEEDS / "channels.csv").set_index("channel")
    frame["channel_group"] = frame["channel"].map(channels["channel_group"]).fillna("other")
    opens = frame["channel"].map(channels["has_opens"]).fillna(False).astype(bool)
    frame["is_holdout"] = frame["is_holdout"].astype(bool)
    frame["openable"] = frame["impressions"].where(opens, 0)
    frame["opens"] = frame["opens"].where(opens, 0).fillna(0)
    frame["openable_clicks"] = frame["clicks"].where(opens, 0)
    frame["revenue"] = cents(frame["revenue_amount"]).fillna(0).astype(float) / 100
    cost = cents(frame["cost_amount"])
    frame["cost"] = cost.where(cost >= 0).fillna(0).astype(float) / 100
    for name in ("conversions", "revenue", "cost"):
        frame[name] = frame[name].where(~frame["is_holdout"], 0).fillna(0)

    changes = consents(rows)
    held = accepted(rows["product_holdings"])
    closed = held[held["closed_on"] <= AS_OF].groupby("customer_id")["closed_on"].apply(list)
    sent = frame["impressions"] > 0

    def of(row: Any) -> tuple[bool, bool, bool]:
        own, day = changes.get(row.customer_id, []), row.occurred_on
        gone = [
            moment.normalize()
            for moment, _, said in own
            if not said and moment.normalize() <= AS_OF
        ]
        ends = closed.get(row.customer_id, [])
        return (
            not has_consent(own, day),
            any(day <= one <= day + AFTER_SEND for one in gone),
            any(day <= one <= day + AFTER_SEND for one in ends),
        )

    flags = [
        of(row) if is_sent else (False,) * 3
        for row, is_sent in zip(frame.itertuples(), sent, strict=True)
    ]
    frame[["without_consent", "unsubscribed", "closing"]] = np.array(flags)
    return frame


def per_customer(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    sums = ["impressions", "openable", "opens", "clicks", "openable_clicks", "conversions"]
    grouped = frame.groupby([*keys, "customer_id"])
    result = grouped[[*sums, "revenue", "cost"]].sum().astype(float)
    flags = ["is_holdout", "without_consent", "unsubscribed", "closing"]
    result[flags] = grouped[flags].max()
    result["is_assigned"] = ~grouped["is_holdout"].min()
    return result.reset_index()


def wilson(successes: int, n: int) -> tuple[float | None, float | None, float | None]:
    if n == 0:
        return None, None, None
    interval = stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return successes / n, float(interval.low), float(interval.high)


def bounded(estimate: Estimate, least: float | None, most: float | None) -> tuple[Any, Any, Any]:
    if math.isnan(estimate.value):
        return None, None, None
    if math.isnan(estimate.error):
        return estimate.value, None, None
    low, high = estimate.interval(LEVEL)
    return (
        estimate.value,
        low if least is None else max(low, least),
        high if most is None else min(high, most),
    )


def figures(own: pd.DataFrame) -> dict[str, Any]:
    """Every figure of a campaign mart over customers, one row each."""
    assigned = own[own["is_assigned"]]
    reached = assigned[assigned["impressions"] > 0]
    openers = reached[reached["opens"] > 0]
    clickers = reached[reached["clicks"] > 0]
    converted = reached[reached["conversions"] > 0]
    result: dict[str, Any] = {
        "assigned_customer_count": len(assigned),
        "holdout_customer_count": int(own["is_holdout"].sum()),
        "both_arms_customer_count": int((own["is_holdout"] & own["is_assigned"]).sum()),
        "reached_customer_count": len(reached),
        "unreached_customer_count": len(assigned) - len(reached),
        "impression_count": int(reached["impressions"].sum()),
        "click_count": int(reached["clicks"].sum()),
        "conversion_count": int(reached["conversions"].sum()),
        "revenue_amount": round(float(assigned["revenue"].sum()), 2),
        "unconverted_revenue_amount": round(
            float(assigned.loc[~assigned.index.isin(converted.index), "revenue"].sum()), 2
        ),
        "cost_amount": round(float(assigned["cost"].sum()), 2),
    }
    proportions = {
        "reach_rate": (len(reached), len(assigned)),
        "engagement_rate": (
            int(((reached["opens"] > 0) | (reached["clicks"] > 0)).sum()),
            len(reached),
        ),
        "click_to_open_rate": (int((openers["openable_clicks"] > 0).sum()), len(openers)),
        "conversion_rate": (len(converted), len(reached)),
        "conversion_per_clicker_rate": (int((clickers["conversions"] > 0).sum()), len(clickers)),
        "unsubscribe_rate": (int(reached["unsubscribed"].sum()), len(reached)),
        "closing_rate": (int(reached["closing"].sum()), len(reached)),
        "sent_without_consent_rate": (int(reached["without_consent"].sum()), len(reached)),
    }
    estimates = {name: wilson(*counts) for name, counts in proportions.items()}
    cost, revenue = assigned["cost"].to_numpy(), assigned["revenue"].to_numpy()
    of_impressions = reached[["clicks", "impressions"]].to_numpy().T
    opened = reached.loc[reached["openable"] > 0, ["opens", "openable"]].to_numpy().T
    own_ctr = (reached["clicks"] / reached["impressions"]).to_numpy()
    estimates |= {
        "ctr": bounded(ratio_of(*of_impressions), 0, 1),
        "mean_customer_ctr": bounded(mean_of(own_ctr), 0, 1),
        "open_rate": bounded(ratio_of(*opened), 0, 1),
        "cost_per_mille": bounded(
            ratio_of(1000 * cost, assigned["impressions"].to_numpy()), 0, None
        ),
        "cost_per_click": bounded(ratio_of(cost, assigned["clicks"].to_numpy()), 0, None),
        "cost_per_conversion": bounded(ratio_of(cost, assigned["conversions"].to_numpy()), 0, None),
        "roas": bounded(ratio_of(revenue, cost), None, None),
        "revenue_per_converted_customer": bounded(
            mean_of(converted["revenue"].to_numpy()), None, None
        ),
    }
    estimates["roi"] = tuple(None if value is None else value - 1 for value in estimates["roas"])
    for name, values in estimates.items():
        for suffix, value in zip(("", "_low", "_high"), values, strict=True):
            result[name + suffix] = value
    return result


def differences(found: Row, expected: Row) -> list[str]:
    wrong = []
    for name, value in expected.items():
        has = found[name]
        has = None if has is None or pd.isna(has) else float(has)
        if (has is None) != (value is None) or (
            has is not None and has != pytest.approx(float(value), rel=1e-7, abs=1e-9)
        ):
            wrong.append(f"{name}: {has}, not {value}")
    return wrong


def compared(
    warehouse: duckdb.DuckDBPyConnection, mart: str, keys: list[str], customers: pd.DataFrame
) -> int:
    found = warehouse.sql(f"select * from marts.{mart}").df().set_index(keys)
    groups = {key: own for key, own in customers.groupby(keys)}
    missing = [key for key in groups if (key if len(key) > 1 else key[0]) not in found.index]
    assert missing == []
    for key, own in groups.items():
        row = found.loc[key if len(key) > 1 else key[0]]
        assert differences(row, figures(own)) == [], (mart, key)
    return len(found) - len(groups)


@pytest.mark.parametrize(
    ("mart", "keys"),
    [
        ("campaign_performance", ["campaign_id"]),
        ("campaign_channel_performance", ["campaign_id", "channel"]),
        ("campaign_channel_group_performance", ["campaign_id", "channel_group"]),
    ],
)
def test_campaign_marts_equal_pandas(
    warehouse: duckdb.DuckDBPyConnection, engagements: pd.DataFrame, mart: str, keys: list[str]
) -> None:
    assert compared(warehouse, mart, keys, per_customer(engagements, keys)) == 0


def test_segment_campaign_performance_equals_pandas(
    warehouse: duckdb.DuckDBPyConnection, engagements: pd.DataFrame
) -> None:
    members = warehouse.sql(
        "select customer_id, segmentation, segment_id from customers.customer_segments"
    ).df()
    customers = per_customer(engagements, ["campaign_id"]).merge(members, on="customer_id")
    keys = ["segmentation", "segment_id", "campaign_id"]
    assert compared(warehouse, "segment_campaign_performance", keys, customers) == 0


def test_the_demo_has_withdrawals_closings_and_sends_without_consent(
    engagements: pd.DataFrame,
) -> None:
    flags = engagements[["without_consent", "unsubscribed", "closing"]].sum()
    assert (flags > 0).all(), flags


def test_attribution_equals_pandas(
    warehouse: duckdb.DuckDBPyConnection, engagements: pd.DataFrame
) -> None:
    """Last touch: per revenue, the latest day up to its own, its own channel first of that day."""
    frame = engagements[~engagements["is_holdout"]]
    keys = ["campaign_id", "customer_id", "channel", "occurred_on"]
    of_day = frame.groupby(keys)[["impressions", "revenue"]].sum().reset_index()
    touches = of_day[of_day["impressions"] > 0]
    credited = []
    for revenue in of_day[of_day["revenue"] != 0].itertuples():
        path = touches[
            (touches["campaign_id"] == revenue.campaign_id)
            & (touches["customer_id"] == revenue.customer_id)
            & (touches["occurred_on"] <= revenue.occurred_on)
        ]
        path = path.assign(is_own=path["channel"] == revenue.channel)
        path = path.sort_values(["occurred_on", "is_own", "channel"])
        channel = path["channel"].iloc[-1] if len(path) else revenue.channel
        credited.append((revenue.campaign_id, channel, revenue.revenue))
    expected = pd.DataFrame(credited, columns=["campaign_id", "channel", "revenue"])
    sums = expected.groupby(["campaign_id", "channel"])["revenue"].sum().round(2)
    found = warehouse.sql(
        "select campaign_id, channel, cast(attributed_revenue_amount as double) as revenue "
        "from marts.campaign_channel_attribution where attributed_revenue_amount <> 0"
    ).df()
    assert found.set_index(["campaign_id", "channel"])["revenue"].to_dict() == pytest.approx(
        sums.to_dict()
    )


def active_days(rows: Rows) -> pd.DataFrame:
    moved = accepted(rows["transactions"])[["customer_id", "transacted_on"]]
    used = accepted(rows["digital_sessions"])
    used = used[used["session_count"] > 0][["customer_id", "used_on"]]
    names = ["customer_id", "day"]
    return pd.concat([moved.set_axis(names, axis=1), used.set_axis(names, axis=1)])


def test_churn_and_retention_equal_pandas(warehouse: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    days = active_days(rows)
    members = warehouse.sql(
        "select customer_id, segmentation, segment_id from customers.customer_segments"
    ).df()
    joined = accepted(rows["customers"])[["customer_id", "joined_on"]]
    people = members.merge(joined, on="customer_id")
    people["last"] = people["customer_id"].map(days.groupby("customer_id")["day"].max())
    edge = AS_OF - CHURN
    observed = people[~(people["joined_on"] > edge)]
    assert days["day"].min() <= edge
    churned = (~(observed["last"] > edge)).groupby(observed["segment_id"]).agg(["sum", "count"])
    found = warehouse.sql(
        "select segment_id, churned_customer_count, observed_customer_count, churn_rate, "
        "churn_rate_low, churn_rate_high from marts.segment_churn"
    ).df()
    for row in found.itertuples():
        gone, n = churned.loc[row.segment_id]
        assert (row.churned_customer_count, row.observed_customer_count) == (gone, n)
        rates = (row.churn_rate, row.churn_rate_low, row.churn_rate_high)
        assert rates == pytest.approx(wilson(int(gone), int(n)), abs=1e-9)

    days["month"] = days["day"].dt.to_period("M")
    first = days["day"].min()
    months = [
        month
        for month in sorted(days["month"].unique())
        if month.start_time >= first and month.end_time.normalize() <= AS_OF
    ]
    active = set(zip(days["customer_id"], days["month"], strict=True))
    expected: dict[tuple[int, str, int], list[int]] = {}
    for person in people.dropna(subset="joined_on").itertuples():
        cohort = pd.Period(person.joined_on, "M")
        if cohort not in months:
            continue
        for month in months:
            since = (month - cohort).n
            if since >= 0:
                cell = expected.setdefault((person.segment_id, str(cohort), since), [0, 0])
                cell[0] += 1
                cell[1] += (person.customer_id, month) in active
    cells = warehouse.sql(
        "select segment_id, strftime(cohort_starts_on, '%Y-%m'), months_since_joining, "
        "customer_count, retained_customer_count from marts.segment_cohort_retention"
    ).fetchall()
    assert {cell[:3]: list(cell[3:]) for cell in cells} == expected
