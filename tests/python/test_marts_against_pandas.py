"""The demo's marts, recomputed with pandas from the raw files alone.

Nothing of the warehouse is used but the assignment of customers to segments (which has tests of
its own) and the numbers to be checked. What happens to a raw row is written here a second time,
from the raw contract.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Build
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits
from unskewed import Estimate, mean_of, ratio_of

from segmentation.fit import fit_missing
from segmentation.naming import name_segments

PROJECT = Path(__file__).resolve().parents[2]
SEEDS = PROJECT / "seeds"
AS_OF = pd.Timestamp("2026-06-30")
EARLIER = pd.Timestamp("2026-03-31")
WINDOW = pd.Timedelta(days=365)
LEVEL = 0.95
ADULT = 18
Z = float(stats.norm.ppf(0.975))
KEYS = {
    "customers": ["customer_id"],
    "product_holdings": ["holding_id"],
    "campaigns": ["campaign_id"],
    "campaign_engagements": ["engagement_id"],
    "transactions": ["transaction_id"],
    "digital_sessions": ["customer_id", "used_on", "touchpoint"],
    "card_accounts": ["cust_id"],
    "customer_attributes": ["customer_id", "attribute"],
    "given_segments": ["segmentation", "entity_id"],
}
DIRTY = [name for name in KEYS if name not in ("customer_attributes", "given_segments")]
Row = dict[str, Any]


# --- raw files, read as the raw contract says ---


def raw_file(entity: str) -> pd.DataFrame:
    frame = pd.read_csv(SEEDS / f"raw_{entity}.csv", dtype="str", keep_default_na=False)
    frame = frame.apply(lambda column: column.str.strip())
    for column in ("updated_at", "is_deleted"):
        if column not in frame:
            frame[column] = ""
    return frame


def texts(column: pd.Series) -> pd.Series:
    return column.where(column != "", None)


def integers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column.where(column.str.fullmatch(r"[+-]?[0-9]+"))).astype("Int64")


def cents(column: pd.Series) -> pd.Series:
    """Amounts in whole cents, so that sums are exact."""
    amounts = column.where(column.str.fullmatch(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)"))
    return amounts.map(lambda text: round(Decimal(text) * 100), na_action="ignore").astype("Int64")


def days(column: pd.Series) -> pd.Series:
    iso = column.where(column.str.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"))
    return pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce")


def moments(column: pd.Series) -> pd.Series:
    iso = column.where(column.str.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"))
    return pd.to_datetime(iso, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)


def booleans(column: pd.Series) -> pd.Series:
    known = dict.fromkeys(["true", "t", "yes", "y", "1", "on"], True)
    known |= dict.fromkeys(["false", "f", "no", "n", "0", "off"], False)
    return column.str.lower().map(known).astype("boolean")


def not_negative(column: pd.Series) -> pd.Series:
    return column.where(column >= 0)


def decide(
    entity: str, frame: pd.DataFrame, broken: pd.Series, known_by: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Add `status`: accepted, broken or superseded, by the last delivery of each key.

    With `known_by` the last delivery known by that day counts, or the first of a key that was
    first delivered later.
    """
    keys = KEYS[entity]
    frame = frame.assign(updated_at=moments(frame["updated_at"]), line=range(len(frame)))
    ordered = frame[~broken].sort_values(["updated_at", "line"], na_position="first")
    day = ordered["updated_at"].dt.normalize()
    is_known = ~(day > known_by) if known_by is not None else pd.Series(True, index=ordered.index)
    last = ordered[is_known].groupby(keys).tail(1)
    later = ordered[~is_known]
    first = later[later["updated_at"] == later.groupby(keys)["updated_at"].transform("min")]
    first = first.groupby(keys).tail(1)
    first = first[~first.set_index(keys).index.isin(last.set_index(keys).index)]
    winners = last.index.union(first.index)
    is_deleted = booleans(frame["is_deleted"]).fillna(False).astype(bool)
    status = pd.Series("superseded", index=frame.index)
    status[winners[~is_deleted[winners]]] = "accepted"
    return frame.assign(status=status.mask(broken, "broken"))


def accepted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["status"] == "accepted"]


def decided_rows(as_of: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Every file's rows, typed, with what happened to each."""
    result: dict[str, pd.DataFrame] = {}

    raw = raw_file("customers")
    frame = raw.assign(
        customer_id=texts(raw["customer_id"]),
        joined_on=days(raw["joined_on"]),
        birth_year=integers(raw["birth_year"]),
        **{
            name: cents(raw[name])
            for name in ("monthly_income", "account_balance", "loyalty_score")
        },
    )
    frame["birth_year"] = frame["birth_year"].where(
        frame["birth_year"].between(as_of.year - 120, as_of.year)
    )
    for name in ("monthly_income", "loyalty_score"):
        frame[name] = not_negative(frame[name])
    broken = frame["customer_id"].isna() | (frame["joined_on"] > as_of)
    result["customers"] = decide("customers", frame, broken, known_by=as_of)
    customers = set(accepted(result["customers"])["customer_id"])

    raw = raw_file("product_holdings")
    frame = raw.assign(
        holding_id=texts(raw["holding_id"]),
        product=texts(raw["product"].str.lower()),
        opened_on=days(raw["opened_on"]),
        closed_on=days(raw["closed_on"]),
    )
    frame["closed_on"] = frame["closed_on"].where(frame["closed_on"] >= frame["opened_on"])
    broken = (
        frame[["holding_id", "product", "opened_on"]].isna().any(axis=1)
        | ~frame["customer_id"].isin(customers)
        | (frame["opened_on"] > as_of)
    )
    result["product_holdings"] = decide("product_holdings", frame, broken)

    raw = raw_file("campaigns")
    frame = raw.assign(starts_on=days(raw["starts_on"]), ends_on=days(raw["ends_on"]))
    broken = (
        (frame["campaign_id"] == "")
        | frame[["starts_on", "ends_on"]].isna().any(axis=1)
        | (frame["ends_on"] < frame["starts_on"])
    )
    result["campaigns"] = decide("campaigns", frame, broken)
    campaigns = set(accepted(result["campaigns"])["campaign_id"])

    raw = raw_file("campaign_engagements")
    counts = ("impressions", "opens", "clicks", "conversions")
    frame = raw.assign(
        engagement_id=texts(raw["engagement_id"]),
        channel=texts(raw["channel"].str.lower()),
        occurred_on=days(raw["occurred_on"]),
        is_holdout=booleans(raw["is_holdout"]).fillna(False),
        **{name: integers(raw[name]) for name in counts},
    )
    frame["conversions"] = not_negative(frame["conversions"])
    broken = (
        frame[["engagement_id", "channel", "occurred_on", "impressions"]].isna().any(axis=1)
        | ~frame["campaign_id"].isin(campaigns)
        | ~frame["customer_id"].isin(customers)
        | (frame["occurred_on"] > as_of)
        | (booleans(raw["is_holdout"]).isna() & (raw["is_holdout"] != ""))
        | (frame["impressions"] < 0).fillna(False)
        | (frame["is_holdout"] & (frame["impressions"] > 0)).fillna(False)
    )
    for name in ("opens", "clicks"):
        broken |= frame[name].isna() & (raw[name] != "")
        broken |= ((frame[name] < 0) | (frame[name] > frame["impressions"])).fillna(False)
    result["campaign_engagements"] = decide("campaign_engagements", frame, broken)

    raw = raw_file("transactions")
    frame = raw.assign(
        transaction_id=texts(raw["transaction_id"]),
        transacted_on=moments(raw["transacted_at"]).dt.normalize(),
        transaction_type=texts(raw["transaction_type"].str.lower()),
        amount=cents(raw["amount"]),
    )
    broken = (
        frame[["transaction_id", "transacted_on", "transaction_type", "amount"]].isna().any(axis=1)
        | ~frame["customer_id"].isin(customers)
        | (frame["transacted_on"] > as_of)
        | (frame["amount"] <= 0).fillna(False)
    )
    result["transactions"] = decide("transactions", frame, broken)

    raw = raw_file("digital_sessions")
    frame = raw.assign(
        used_on=days(raw["used_on"]),
        touchpoint=texts(raw["touchpoint"].str.lower()),
        session_count=integers(raw["session_count"]),
        minutes=not_negative(cents(raw["minutes"])),
    )
    broken = (
        frame[["used_on", "touchpoint", "session_count"]].isna().any(axis=1)
        | ~frame["customer_id"].isin(customers)
        | (frame["used_on"] > as_of)
        | (frame["session_count"] < 0).fillna(False)
    )
    result["digital_sessions"] = decide("digital_sessions", frame, broken)

    raw = raw_file("card_accounts")
    result["card_accounts"] = decide("card_accounts", raw, raw["cust_id"] == "")

    raw = raw_file("customer_attributes")
    broken = ~raw["customer_id"].isin(customers) | (raw[["attribute", "value"]] == "").any(axis=1)
    result["customer_attributes"] = decide("customer_attributes", raw, broken)

    raw = raw_file("given_segments")
    broken = (raw[["segmentation", "entity_id", "segment"]] == "").any(axis=1)
    result["given_segments"] = decide("given_segments", raw, broken)
    return result


def features(rows: Mapping[str, pd.DataFrame], as_of: pd.Timestamp) -> pd.DataFrame:
    """What int_customer_features says of each customer, by customer_id; amounts in cents."""
    frame = accepted(rows["customers"]).set_index("customer_id").sort_index()
    result = frame[["joined_on", "monthly_income", "account_balance", "loyalty_score"]].copy()
    result["age_years"] = as_of.year - frame["birth_year"]
    result["tenure_days"] = (as_of - frame["joined_on"]).dt.days

    every = accepted(rows["transactions"])
    recent = every[every["transacted_on"] > as_of - WINDOW]
    by_customer = recent.groupby("customer_id")
    result["transaction_count"] = by_customer.size()
    result["transaction_days"] = by_customer["transacted_on"].nunique()
    last = every.groupby("customer_id")["transacted_on"].max()
    result["days_since_transaction"] = (as_of - last).dt.days
    for kind in ("deposit", "withdrawal"):
        own = recent[recent["transaction_type"] == kind].groupby("customer_id")["amount"]
        result[f"{kind}_count"] = own.size()
        result[f"{kind}_amount"] = own.sum()
        result[f"{kind}_mean_amount"] = own.mean() / 100
        result[f"{kind}_median_amount"] = own.median() / 100

    sessions = accepted(rows["digital_sessions"])
    by_touchpoint = used_touchpoints(sessions[sessions["used_on"] > as_of - WINDOW])
    digital = by_touchpoint.groupby("customer_id").sum(numeric_only=True)
    result["digital_session_count"] = digital["session_count"]
    result["digital_minutes"] = digital["minutes"]

    holdings = accepted(rows["product_holdings"])
    is_held = holdings["closed_on"].isna() | (holdings["closed_on"] > as_of)
    result["product_count"] = holdings[is_held].groupby("customer_id")["product"].nunique()
    zero_without = [
        name
        for name in result
        if name.endswith(("_count", "deposit_amount", "withdrawal_amount", "_minutes"))
    ] + ["transaction_days"]
    result[zero_without] = result[zero_without].fillna(0)
    return result


def used_touchpoints(sessions: pd.DataFrame) -> pd.DataFrame:
    """One row per customer and touchpoint used at least once; minutes in cents."""
    used = sessions.groupby(["customer_id", "touchpoint"])[["session_count", "minutes"]].sum()
    return used[used["session_count"] > 0].reset_index()


# --- statistics, written apart from the SQL ---


def wilson(successes: int, n: int) -> tuple[float, float]:
    found = stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def within(estimate: Estimate, high: float = math.inf) -> tuple[float, float]:
    """The interval of what is neither below 0 nor above `high`."""
    ends = estimate.interval(LEVEL)
    return max(0.0, ends[0]), min(high, ends[1])


def named(name: str, estimate: float, bounds: tuple[float, float]) -> Row:
    return {name: estimate, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}


def median_interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """The widest pair of order statistics, equally far in, that leaves out less than the level.

    By the normal approximation the pair may be one further out than the binomial asks for.
    """
    n = len(values)
    rank = math.floor((n + 1 - Z * math.sqrt(n)) / 2)
    if rank < 1:
        return None, None
    exact = int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5))
    assert exact - rank in (0, 1), n
    ordered = np.sort(values)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def powers(y_name: str, y: np.ndarray | None, x_name: str, x: np.ndarray) -> Row:
    """Sums of third powers, as the marts name them; null where nobody says what y is."""
    y_known = np.full(len(x), np.nan) if y is None else y
    return {
        f"{y_name}_cubed": float((y_known**3).sum()),
        f"{y_name}_squared_times_{x_name}": float((y_known**2 * x).sum()),
        f"{y_name}_times_{x_name}_squared": float((y_known * x**2).sum()),
        f"{x_name}_cubed": float((x**3).sum()),
    }


def quartiles(name: str, values: np.ndarray) -> Row:
    p25, median, p75 = np.percentile(values, [25, 50, 75])
    return {f"{name}_median": median, f"{name}_p25": p25, f"{name}_p75": p75}


# --- comparing ---


def is_same(found: object, expected: object) -> bool:
    """Equal: whole numbers, decimals, dates and texts exactly, floats to 1e-9."""
    if expected is None or expected is pd.NA or expected is pd.NaT or expected != expected:
        return found is None
    if isinstance(expected, float | np.floating):
        is_float = isinstance(found, float)
        return is_float and math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    return bool(found == expected) and found is not None


def table(path: Path, relation: str) -> pd.DataFrame:
    """A table as Python objects, so that null, NaN, decimals and whole numbers stay apart."""
    with duckdb.connect(str(path), read_only=True) as connection:
        result = connection.execute(f"from {relation}")
        names = [column[0] for column in result.description]
        return pd.DataFrame(result.fetchall(), columns=names, dtype=object)


def assert_rows(
    found: pd.DataFrame, keys: Sequence[str], expected: Iterable[Row], but: Sequence[str] = ()
) -> None:
    """Every row and every column of `found` is as expected, except the columns `but`."""
    by_key = {tuple(row[key] for key in keys): row for row in found.to_dict("records")}
    wanted = {tuple(row[key] for key in keys): row for row in expected}
    assert len(by_key) == len(found), "two rows with one key"
    assert by_key.keys() == wanted.keys()
    assert len(wanted) > 0
    unchecked = set(found) - set(next(iter(wanted.values()))) - set(but)
    assert not unchecked, f"no expectation for {sorted(unchecked)}"
    wrong = [
        (key, name, by_key[key][name], value)
        for key, row in wanted.items()
        for name, value in row.items()
        if not is_same(by_key[key][name], value)
    ]
    assert not wrong, f"{len(wrong)} values differ; key, column, found, expected: {wrong[:5]}"


@pytest.fixture(scope="module")
def rows() -> dict[str, pd.DataFrame]:
    return decided_rows(AS_OF)


@pytest.fixture(scope="module")
def segment_of(demo_build: Build) -> pd.Series:
    """Segment id by customer id."""
    members = table(demo_build.path, "customers.customer_segments")
    return members.set_index("customer_id")["segment_id"].astype("int64").sort_index()


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (PROJECT / "benchmarks" / "demo_truth.json").read_text(encoding="utf-8")
    )
    return found


@pytest.fixture(scope="module")
def mart(demo_build: Build) -> Callable[[str], pd.DataFrame]:
    """The rows of a mart that are of customers' segments; cards have tests of their own."""

    def read(name: str) -> pd.DataFrame:
        rows = table(demo_build.path, f"marts.{name}")
        own = rows[rows["segmentation"] == "behaviour"] if "segmentation" in rows else rows
        return own.reset_index(drop=True)

    return read


NAMES = ("segmentation", "segment_name")


# --- what became of every row ---


def test_the_build_that_is_judged_here_ran_every_unit_test(demo_build: Build) -> None:
    target = demo_build.folder / "target"
    known = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["unit_tests"]
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    passed = {result["unique_id"] for result in results if result["status"] == "pass"}
    assert known and set(known) <= passed


def test_as_of_date_is_the_latest_day_with_an_ordinary_number_of_events(demo_build: Build) -> None:
    columns = {
        "transactions": "transacted_at",
        "campaign_engagements": "occurred_on",
        "digital_sessions": "used_on",
    }
    dated = [moments(raw_file(entity)[column]) for entity, column in columns.items()]
    per_day = pd.concat(dated).dropna().dt.normalize().value_counts()
    assert per_day[per_day >= 0.01 * per_day.mean()].index.max() == AS_OF
    assert per_day.index.max() > AS_OF, "no typed date of the far future is in the demo"
    found = table(demo_build.path, "staging.as_of")
    assert found["as_of_on"].tolist() == [AS_OF.date()]
    assert found["window_starts_after"].tolist() == [(AS_OF - WINDOW).date()]


@pytest.mark.parametrize("entity", KEYS)
def test_every_row_is_accepted_broken_or_superseded_as_the_contract_says(
    demo_build: Build, rows: dict[str, pd.DataFrame], entity: str
) -> None:
    found = table(demo_build.path, f"staging.base_{entity}").sort_values("source_row")
    assert found["row_status"].tolist() == rows[entity]["status"].tolist()


@pytest.mark.parametrize("entity", KEYS)
def test_counts_of_rows_are_those_of_the_planted_dirt(
    demo_build: Build, rows: dict[str, pd.DataFrame], truth: dict[str, Any], entity: str
) -> None:
    planted = {"received": truth["rows"][entity], "broken": 0, "superseded": 0}
    for dirt in truth["dirt"].get(entity, {}).values():
        if dirt["expected"] in planted:
            planted[dirt["expected"]] += dirt["count"]
    planted["accepted"] = planted["received"] - planted["broken"] - planted["superseded"]
    own = rows[entity]["status"].value_counts().to_dict()
    assert {name: own.get(name, 0) for name in ("accepted", "broken", "superseded")} == {
        name: planted[name] for name in ("accepted", "broken", "superseded")
    }
    quality = table(demo_build.path, "health.data_quality")
    totals = quality[(quality["entity"] == entity) & (quality["check_type"] == "total")]
    found = dict(zip(totals["check_name"], totals["row_count"], strict=True))
    assert {name: found[name] for name in planted} == planted


@pytest.mark.parametrize("entity", DIRTY)
def test_every_planted_dirty_row_meets_its_fate(
    demo_build: Build, truth: dict[str, Any], entity: str
) -> None:
    found = table(demo_build.path, f"staging.base_{entity}").set_index("source_row")
    for kind, dirt in truth["dirt"][entity].items():
        own = found.loc[dirt["rows"]]
        assert len(own) == dirt["count"]
        is_blanked = dirt["expected"] == "blanked"
        if dirt["expected"] == "accepted":
            # Of several deliveries of one key an oddly written one may be the earlier.
            assert set(own["row_status"]) <= {"accepted", "superseded"}, kind
        else:
            assert set(own["row_status"]) == {"accepted" if is_blanked else dirt["expected"]}, kind
        if dirt["expected"] in ("broken", "blanked"):
            named = own["blanked_columns" if is_blanked else "broken_rules"]
            assert all(dirt["rule"] in names.split("|") for names in named), kind


@pytest.mark.parametrize("entity", KEYS)
def test_only_planted_rules_break_rows_or_blank_columns(
    demo_build: Build, truth: dict[str, Any], entity: str
) -> None:
    planted: dict[tuple[str, str], int] = {}
    for dirt in truth["dirt"].get(entity, {}).values():
        kind = {"broken": "rule", "blanked": "blanked"}.get(dirt["expected"])
        if kind:
            planted[kind, dirt["rule"]] = planted.get((kind, dirt["rule"]), 0) + dirt["count"]
    # Below zero impressions any click is one above them, too.
    both = ("rule", "clicks_above_impressions")
    if both in planted:
        planted[both] += planted["rule", "negative_impressions"]
    quality = table(demo_build.path, "health.data_quality")
    own = quality[(quality["entity"] == entity) & quality["check_type"].isin(["rule", "blanked"])]
    found = {(row["check_type"], row["check_name"]): row["row_count"] for _, row in own.iterrows()}
    assert found == planted


def test_broken_and_superseded_rows_are_in_quarantine_and_nowhere_else(
    demo_build: Build, rows: dict[str, pd.DataFrame]
) -> None:
    found = table(demo_build.path, "quarantine.rejected_rows")
    counts = found.groupby(["entity", "row_status"]).size().to_dict()
    expected = {
        (entity, status): count
        for entity, frame in rows.items()
        for status, count in frame["status"].value_counts().to_dict().items()
        if status != "accepted"
    }
    assert counts == expected


# --- features and segments ---


def assert_features(path: Path, expected: pd.DataFrame) -> None:
    amounts = [
        "monthly_income",
        "account_balance",
        "loyalty_score",
        "deposit_amount",
        "withdrawal_amount",
        "digital_minutes",
    ]
    frame = expected.reset_index()
    for name in amounts:
        frame[name] = [None if pd.isna(x) else Decimal(int(x)) / 100 for x in frame[name]]
    frame["joined_on"] = [None if pd.isna(day) else day.date() for day in frame["joined_on"]]
    whole = [name for name in frame if name.endswith(("_count", "_days", "_years"))]
    for name in [*whole, "days_since_transaction"]:
        frame[name] = frame[name].astype("Int64").astype(object)
    attributes = ("gender", "marital_status", "education", "job", "region")
    assert_rows(
        table(path, "intermediate.int_customer_features"),
        ["customer_id"],
        frame.to_dict("records"),
        but=attributes,
    )


def test_customer_features(demo_build: Build, rows: dict[str, pd.DataFrame]) -> None:
    assert_features(demo_build.path, features(rows, AS_OF))


def test_segments_hold_every_accepted_customer_once(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    customers = sorted(accepted(rows["customers"])["customer_id"])
    assert segment_of.index.tolist() == customers
    found = mart("segments")
    sizes = segment_of.value_counts()
    assert found.set_index("segment_id")["entity_count"].to_dict() == sizes.to_dict()
    shares = found.set_index("segment_id")["segment_share"]
    assert all(is_same(shares[s], float(sizes[s] / len(customers))) for s in sizes.index)


def test_segment_profiles(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    inputs = variables["segmentations"][0]["features"]
    values = features(rows, AS_OF)
    in_cents = ("monthly_income", "account_balance", "loyalty_score", "_amount")
    expected = []
    for position, feature in enumerate(inputs, start=1):
        name = feature["name"]
        column = values[name].astype("Float64") / (100 if name.endswith(in_cents) else 1)
        everybody = column.dropna().to_numpy(dtype=float)
        for segment, own in column.groupby(segment_of):
            present = own.dropna().to_numpy(dtype=float)
            p25, median, p75 = np.percentile(present, [25, 50, 75])
            mean, population = float(present.mean()), float(everybody.mean())
            expected.append(
                {
                    "segment_id": segment,
                    "feature": name,
                    "feature_position": position,
                    "entity_count": len(own),
                    "value_count": len(present),
                    "value_sum": float(present.sum()),
                    "values_squared": float((present**2).sum()),
                    "values_cubed": float((present**3).sum()),
                    **named("mean_value", mean, mean_of(present).interval(LEVEL)),
                    "median_value": median,
                    "p25_value": p25,
                    "p75_value": p75,
                    "population_mean": population,
                    "population_deviation": float(everybody.std(ddof=1)),
                    "standardised_difference": (mean - population) / float(everybody.std(ddof=1)),
                }
            )
    assert_rows(mart("segment_profiles"), ["segment_id", "feature"], expected, but=NAMES)


# --- engagement ---


def reached(rows: Mapping[str, pd.DataFrame], after: pd.Timestamp = AS_OF - WINDOW) -> pd.DataFrame:
    """One row per adult reached and channel after a day; in the window unless told otherwise."""
    customers = accepted(rows["customers"])
    is_minor = (AS_OF.year - customers["birth_year"] < ADULT).fillna(False)
    adults = customers["customer_id"][~is_minor]
    frame = accepted(rows["campaign_engagements"])
    frame = frame[
        (frame["occurred_on"] > after)
        & ~frame["is_holdout"].astype(bool)
        & frame["customer_id"].isin(adults)
    ]
    channels = pd.read_csv(SEEDS / "channels.csv").set_index("channel")["has_opens"]
    has_opens = frame["channel"].map(channels).fillna(False).astype(bool)
    frame = frame.assign(
        openable=frame["impressions"].where(has_opens, 0), opens=frame["opens"].where(has_opens)
    )
    names = ["impressions", "openable", "opens", "clicks", "conversions"]
    summed = frame.groupby(["customer_id", "channel"])[names].sum(min_count=1)
    summed["openable"] = summed["openable"].fillna(0)
    return summed[summed["impressions"] > 0].reset_index()


def engagement_row(own: pd.DataFrame, customer_count: int) -> Row:
    """Expected sums and rates of one cell; `own` has one row per customer reached."""
    n = len(own)
    impressions, clicks, openable, opens = (
        own[name].fillna(0).to_numpy(dtype=float)
        for name in ("impressions", "clicks", "openable", "opens")
    )
    has_opens = bool(own["opens"].notna().any())
    opened = openable > 0
    ctrs = clicks / impressions
    converted = int((own["conversions"] > 0).sum())
    ctr = float(clicks.sum() / impressions.sum())
    row: Row = {
        "customer_count": customer_count,
        "reached_customer_count": n,
        "impression_count": int(impressions.sum()),
        "openable_impression_count": int(openable.sum()),
        "open_count": int(opens.sum()) if has_opens else None,
        "click_count": int(clicks.sum()),
        "conversion_count": int(own["conversions"].sum()),
        "openable_customer_count": int(opened.sum()),
        "converted_customer_count": converted,
        "impressions_squared": float(impressions @ impressions),
        "openable_impressions_squared": float(openable @ openable),
        "opens_squared": float(opens @ opens) if has_opens else None,
        "clicks_squared": float(clicks @ clicks),
        "clicks_times_impressions": float(clicks @ impressions),
        "opens_times_openable_impressions": float(opens @ openable) if has_opens else None,
        "customer_ctr_sum": float(ctrs.sum()),
        "customer_ctr_squared": float(ctrs @ ctrs),
        "is_small_cell": n < 200 or clicks.sum() < 20,
        **powers("clicks", clicks, "impressions", impressions),
        **powers("opens", opens if has_opens else None, "openable_impressions", openable),
        "customer_ctr_cubed": float((ctrs**3).sum()),
        **named("ctr", ctr, within(ratio_of(clicks, impressions), 1)),
        **named("mean_customer_ctr", float(ctrs.mean()), within(mean_of(ctrs), 1)),
        **named("conversion_rate", converted / n, wilson(converted, n)),
        "open_rate": None,
        "open_rate_low": None,
        "open_rate_high": None,
    }
    if has_opens:
        rate = float(opens.sum() / openable.sum())
        row |= named("open_rate", rate, within(ratio_of(opens[opened], openable[opened]), 1))
    return row


def test_segment_engagement(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    names = ["impressions", "openable", "opens", "clicks", "conversions"]
    customers = reached(rows).groupby("customer_id")[names].sum(min_count=1)
    sizes = segment_of.value_counts()
    expected = [
        {"segment_id": segment, **engagement_row(own, int(sizes[segment]))}
        for segment, own in customers.groupby(segment_of)
    ]
    assert_rows(mart("segment_engagement"), ["segment_id"], expected, but=NAMES)


def test_segment_channel_engagement(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    customers = reached(rows)
    sizes = segment_of.value_counts()
    cells = customers.groupby([customers["customer_id"].map(segment_of), "channel"])
    expected = [
        {"segment_id": segment, "channel": channel, **engagement_row(own, int(sizes[segment]))}
        for (segment, channel), own in cells
    ]
    found = mart("segment_channel_engagement")
    assert_rows(found, ["segment_id", "channel"], expected, but=NAMES)
    has_open_rate = found.groupby("channel")["open_rate"].agg(lambda rates: rates.notna().all())
    assert has_open_rate.to_dict() == {
        "email": True,
        "facebook": False,
        "instagram": False,
        "twitter": False,
    }


# --- products and digital use ---


def test_segment_ownership_by_product_and_of_any(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    holdings = accepted(rows["product_holdings"])
    segment = holdings["customer_id"].map(segment_of)
    is_held = holdings["closed_on"].isna() | (holdings["closed_on"] > AS_OF)
    is_bought = holdings["opened_on"] > AS_OF - WINDOW
    expected: dict[str, list[dict[str, Any]]] = {"product": [], "any": []}
    for segment_id, size in segment_of.value_counts().items():
        for product in [*sorted(set(holdings["product"])), None]:
            own = segment == segment_id
            if product:
                own &= holdings["product"] == product
            holders = holdings["customer_id"][own & is_held].nunique()
            buyers = holdings["customer_id"][own & is_bought].nunique()
            expected["product" if product else "any"].append(
                {
                    "segment_id": segment_id,
                    **({"product": product} if product else {}),
                    "customer_count": size,
                    "holder_count": holders,
                    "buyer_count": buyers,
                    **named("ownership_rate", holders / size, wilson(holders, size)),
                    **named("purchase_rate", buyers / size, wilson(buyers, size)),
                    "is_small_cell": size < 200 or holders < 20,
                }
            )
    found = mart("segment_product_ownership")
    assert_rows(found, ["segment_id", "product"], expected["product"], but=NAMES)
    assert_rows(mart("segment_ownership"), ["segment_id"], expected["any"], but=NAMES)


def test_segment_digital_usage(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    sessions = accepted(rows["digital_sessions"])
    used = used_touchpoints(sessions[sessions["used_on"] > AS_OF - WINDOW])
    expected = []
    for touchpoint, own in used.groupby("touchpoint"):
        by_customer = own.set_index("customer_id")
        for segment_id, customers in segment_of.groupby(segment_of):
            everybody = by_customer[["session_count", "minutes"]].reindex(
                customers.index, fill_value=0
            )
            n = len(customers)
            counts = everybody["session_count"].to_numpy(dtype=float)
            minutes = everybody["minutes"].to_numpy(dtype=float) / 100
            users = int((counts > 0).sum())
            expected.append(
                {
                    "segment_id": segment_id,
                    "touchpoint": touchpoint,
                    "customer_count": n,
                    "user_count": users,
                    "session_count": int(counts.sum()),
                    "minutes": Decimal(int(everybody["minutes"].sum())) / 100,
                    "sessions_squared": float(counts @ counts),
                    "minutes_squared": float(minutes @ minutes),
                    "sessions_cubed": float((counts**3).sum()),
                    "minutes_cubed": float((minutes**3).sum()),
                    **named("usage_rate", users / n, wilson(users, n)),
                    **named(
                        "sessions_per_customer",
                        float(counts.mean()),
                        within(mean_of(counts)),
                    ),
                    **named(
                        "minutes_per_customer",
                        float(minutes.mean()),
                        within(mean_of(minutes)),
                    ),
                    "is_small_cell": n < 200 or users < 20,
                }
            )
    found = mart("segment_digital_usage")
    assert_rows(found, ["segment_id", "touchpoint"], expected, but=NAMES)


# --- transactions ---


def variation(values: np.ndarray) -> float | None:
    return float(np.std(values, ddof=1) / values.mean()) if len(values) > 1 else None


def transaction_row(transactions: pd.DataFrame, customers: pd.Index) -> Row:
    """Expected figures of one cell: its transactions, and all customers it stands for."""
    counts, totals = amounts_of(transactions, customers)
    is_active = counts > 0
    amounts = transactions["amount"].to_numpy(dtype=float) / 100
    means = totals[is_active] / counts[is_active]
    n, active = len(counts), int(is_active.sum())
    per_transaction = float(totals.sum() / counts.sum())
    row: Row = {
        "customer_count": n,
        "active_customer_count": active,
        "transaction_count": int(counts.sum()),
        "total_amount": Decimal(int(transactions["amount"].sum())) / 100,
        "counts_squared": float(counts @ counts),
        "amounts_squared": float(totals @ totals),
        "amounts_times_counts": float(totals @ counts),
        "transaction_amounts_squared": float(amounts @ amounts),
        "count_total_rank_correlation": rank_correlation(counts[is_active], totals[is_active]),
        "count_mean_rank_correlation": rank_correlation(counts[is_active], means),
        "amount_per_customer_cv": variation(totals),
        "amount_per_active_customer_cv": variation(totals[is_active]),
        "amount_per_transaction_cv": variation(amounts),
        **powers("amounts", totals, "counts", counts),
        "amount_roots": float(np.sqrt(totals).sum()),
        **quartiles("amount_per_customer", totals),
        **quartiles("amount_per_active_customer", totals[is_active]),
        **named_median("amount_per_customer", totals),
        **named_median("amount_per_active_customer", totals[is_active]),
        **quartiles("amount_per_transaction", amounts),
        **named(
            "amount_per_transaction",
            per_transaction,
            within(ratio_of(totals, counts)),
        ),
        "is_small_cell": n < 200 or active < 20,
    }
    for name, values in {
        "transactions_per_customer": counts,
        "amount_per_customer": totals,
        "amount_per_active_customer": totals[is_active],
    }.items():
        row |= named(name, float(values.mean()), within(mean_of(values)))
    return row


def named_median(name: str, values: np.ndarray) -> Row:
    low, high = median_interval(values)
    return {f"{name}_median_low": low, f"{name}_median_high": high}


# --- differences from the rest, and places ---


def amounts_of(transactions: pd.DataFrame, customers: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Count and total of each customer, zeros included."""
    own = transactions.groupby("customer_id")["amount"].agg(["size", "sum"])
    own = own.reindex(customers, fill_value=0)
    return own["size"].to_numpy(dtype=float), own["sum"].to_numpy(dtype=float) / 100


def figures_of(counts: np.ndarray, totals: np.ndarray) -> dict[str, tuple[Estimate, bool]]:
    """The four figures of a group of customers, and whether each is too weak for a verdict."""
    is_active = counts > 0
    n, active = len(counts), int(is_active.sum())
    roots, total = float(np.sqrt(totals).sum()), float(totals.sum())
    inequality = 1 - roots**2 / (active * total) if active else math.nan
    figures = {
        "transactions_per_customer": (mean_of(counts), n, counts.sum()),
        "amount_per_customer": (mean_of(totals), n, active),
        "amount_per_active_customer": (mean_of(totals[is_active]), active, active),
        "amount_per_transaction": (ratio_of(totals, counts), n, counts.sum()),
    }
    found = {}
    for name, (estimate, customers, events) in figures.items():
        values = counts if name == "transactions_per_customer" else totals
        is_weak = customers < 200 or events < 20 or values.sum() ** 2 < 25 * (values @ values)
        if name != "transactions_per_customer":
            skewness = estimate.cumulant / estimate.error**3 if estimate.error > 0 else 0
            is_weak |= active < 200 or (inequality > 0.4 and skewness**2 * 200 > 1)
        found[name] = (estimate, bool(is_weak))
    return found


METHODS = {
    "transactions_per_customer": "Welch",
    "amount_per_customer": "Welch",
    "amount_per_active_customer": "Welch",
    "amount_per_transaction": "delta method over customers",
}


def compared(transactions: pd.DataFrame, segment_of: pd.Series, *, has_p: bool) -> dict[int, Row]:
    """Per segment what the marts say of it against the rest and the next in order.

    `transactions` are those of one cell, `segment_of` its customers' segments; `has_p` asks for
    the p of the difference from the rest.
    """
    counts, totals = amounts_of(transactions, segment_of.index)
    segments = sorted(segment_of.unique())
    own = {s: figures_of(counts[segment_of == s], totals[segment_of == s]) for s in segments}
    rest = {s: figures_of(counts[segment_of != s], totals[segment_of != s]) for s in segments}
    rows: dict[int, Row] = {segment: {} for segment in segments}
    for name in own[segments[0]]:
        order = sorted(segments, key=lambda segment: (-own[segment][name][0].value, segment))
        for place, segment in enumerate(order):
            other = order[place + 1] if place + 1 < len(order) else order[place - 1]
            estimate, is_weak = own[segment][name]
            neighbour, other_is_weak = own[other][name]
            against_rest, against_next = estimate - rest[segment][name][0], estimate - neighbour
            low, high = against_next.interval(LEVEL)
            rows[segment] |= named(
                f"{name}_difference", against_rest.value, against_rest.interval(LEVEL)
            )
            if has_p:
                is_left_out = is_weak or rest[segment][name][1]
                rows[segment][f"{name}_p"] = None if is_left_out else against_rest.p()
            rows[segment][f"{name}_rank"] = place + 1
            rows[segment][f"is_{name}_rank_certain"] = bool(
                not is_weak and not other_is_weak and (low > 0 or high < 0)
            )
    return rows


def rank_correlation(left: np.ndarray, right: np.ndarray) -> float | None:
    if len(set(left)) < 2 or len(set(right)) < 2:
        return None
    return float(stats.spearmanr(left, right).statistic)


def test_segment_transactions(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    frame = accepted(rows["transactions"])
    frame = frame[frame["transacted_on"] > AS_OF - WINDOW]
    cells = frame.groupby([frame["customer_id"].map(segment_of), "transaction_type"])
    told_apart = {
        kind: compared(own, segment_of, has_p=False)
        for kind, own in frame.groupby("transaction_type")
    }
    expected = [
        {
            "segment_id": segment,
            "transaction_type": kind,
            **transaction_row(own, segment_of.index[segment_of == segment]),
            **told_apart[kind][segment],
        }
        for (segment, kind), own in cells
    ]
    assert len(expected) == 16
    found = mart("segment_transactions")
    assert_rows(found, ["segment_id", "transaction_type"], expected, but=NAMES)
    median = found.set_index(["segment_id", "transaction_type"])["amount_per_customer_median"]
    assert (median == 0).any(), "no cell shows that customers without a transaction count as zeros"


def test_segment_month_transactions(
    rows: dict[str, pd.DataFrame], segment_of: pd.Series, mart: Callable[[str], pd.DataFrame]
) -> None:
    frame = accepted(rows["transactions"])
    month_of = frame["transacted_on"].dt.to_period("M")
    joined_on = accepted(rows["customers"]).set_index("customer_id")["joined_on"]
    months = [pd.Period(month) for month in ("2025-01", "2025-08", "2026-06")]
    expected = []
    for month in months:
        joined = joined_on.index[~(joined_on > month.end_time)]
        own_month = frame[month_of == month]
        denominator = segment_of[segment_of.index.isin([*joined, *own_month["customer_id"]])]
        cells = own_month.groupby([own_month["customer_id"].map(segment_of), "transaction_type"])
        told_apart = {
            kind: compared(own, denominator, has_p=True)
            for kind, own in own_month.groupby("transaction_type")
        }
        expected += [
            {
                "segment_id": segment,
                "transaction_type": kind,
                "month_starts_on": month.start_time.date(),
                **transaction_row(own, denominator.index[denominator == segment]),
                **told_apart[kind][segment],
            }
            for (segment, kind), own in cells
        ]
    assert len(expected) == 48
    certain = [row["is_transactions_per_customer_rank_certain"] for row in expected]
    assert 10 < sum(certain) < 40, "no place is certain, or all are"
    found = mart("segment_month_transactions")
    assert sorted(set(found["month_starts_on"])) == [
        month.start_time.date() for month in pd.period_range("2025-01", "2026-06", freq="M")
    ]
    shown = found[found["month_starts_on"].isin({row["month_starts_on"] for row in expected})]
    keys = ["segment_id", "transaction_type", "month_starts_on"]
    judged = [f"{name}_{end}" for name in METHODS for end in ("adjusted_p", "family", "method")]
    assert_rows(shown, keys, expected, but=(*NAMES, *judged))
    for name, method in METHODS.items():
        assert set(found[f"{name}_family"]) == {f"behaviour: segment_month_transactions.{name}"}
        assert set(found[f"{name}_method"]) == {f"{method}, skewness removed"}
        both = found[[f"{name}_p", f"{name}_adjusted_p"]].dropna(how="all")
        assert len(shown) < len(both) < len(found), "no month is too small, or all are"
        together = stats.false_discovery_control(both[f"{name}_p"].astype(float))
        assert both[f"{name}_adjusted_p"].tolist() == pytest.approx(together, rel=1e-9, abs=0)
    sizes = found[found["transaction_type"] == "deposit"].groupby("month_starts_on")[
        "customer_count"
    ]
    assert sizes.sum().iloc[0] < sizes.sum().iloc[-1], "nobody joins in the months of the demo"


# --- the same numbers every time ---


def mart_names(path: Path) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [
            f"{schema}.{name}"
            for schema, name in connection.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema in ('marts', 'customers', 'health') order by all"
            ).fetchall()
        ]


def is_end(column: str, found: object, expected: object) -> bool:
    """Equal ends of an interval: where nothing varies, all of its width is rounding."""
    return (
        column.endswith(("_low", "_high"))
        and isinstance(found, float)
        and isinstance(expected, float)
        and math.isclose(found, expected, rel_tol=1e-7)
    )


@pytest.mark.long
def test_second_build_on_one_thread_gives_the_same_marts(
    demo_build: Build, build_demo: Callable[..., Build]
) -> None:
    again = build_demo("--threads", "1", target="prod")
    names = mart_names(demo_build.path)
    assert mart_names(again.path) == names
    assert len(names) >= 12
    for name in names:
        first, second = table(demo_build.path, name), table(again.path, name)
        keys = [
            column
            for column in first
            if not any(isinstance(value, float) for value in first[column])
        ]
        assert list(first) == list(second), name
        first = first.sort_values(keys, key=lambda column: column.map(repr))
        second = second.sort_values(keys, key=lambda column: column.map(repr))
        wrong = [
            (name, column, left, right)
            for column in first
            for left, right in zip(first[column], second[column], strict=True)
            if not (left is right is None or is_same(right, left) or is_end(column, right, left))
        ]
        assert not wrong, wrong[:5]


@pytest.fixture(scope="module")
def earlier_build(build_demo: Callable[..., Build]) -> Build:
    return build_demo(AS_OF=str(EARLIER.date()))


@pytest.fixture(scope="module")
def earlier_rows() -> dict[str, pd.DataFrame]:
    return decided_rows(EARLIER)


@pytest.mark.long
def test_build_as_of_an_earlier_day_uses_what_was_known_by_then(
    earlier_build: Build, earlier_rows: dict[str, pd.DataFrame], rows: dict[str, pd.DataFrame]
) -> None:
    latest = accepted(rows["customers"]).set_index("customer_id")
    then = accepted(earlier_rows["customers"]).set_index("customer_id")
    both = then.index.intersection(latest.index)
    assert (then.loc[both, "updated_at"] < latest.loc[both, "updated_at"]).any(), (
        "no customer has a version that came later"
    )
    found = table(earlier_build.path, "staging.as_of")
    assert found["as_of_on"].tolist() == [date(2026, 3, 31)]
    assert found["as_of_method"].tolist() == ["given"]
    assert_features(earlier_build.path, features(earlier_rows, EARLIER))


@pytest.mark.long
@pytest.mark.parametrize("entity", KEYS)
def test_rows_later_than_an_earlier_as_of_date_are_broken(
    earlier_build: Build, earlier_rows: dict[str, pd.DataFrame], entity: str
) -> None:
    found = table(earlier_build.path, f"staging.base_{entity}").sort_values("source_row")
    assert found["row_status"].tolist() == earlier_rows[entity]["status"].tolist()


@pytest.mark.long
def test_no_mart_knows_a_month_after_an_earlier_as_of_date(earlier_build: Build) -> None:
    for name in ("transactions", "engagement", "ownership", "product_ownership"):
        months = table(earlier_build.path, f"marts.segment_month_{name}")["month_starts_on"]
        assert months.max() == date(2026, 3, 1), name


# --- segments do not depend on the seed of the fit ---


def test_ten_random_seeds_give_one_segmentation_which_is_the_planted_one(
    demo_build: Build, truth: dict[str, Any]
) -> None:
    inputs = table(demo_build.path, "segments.segmentation_inputs")
    inputs = inputs[inputs["segmentation"] == "behaviour"].reset_index(drop=True)
    columns = [name for name in inputs if name.startswith("value_")]
    inputs[columns] = inputs[columns].astype("float64")
    personas = pd.read_csv(SEEDS / "personas.csv")
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    spec = variables["segmentations"][0]
    width = len(spec["features"])
    values = inputs[columns[:width]].to_numpy(dtype=float)
    planted = [int(truth["groups"]["of_customers"][int(c[1:]) - 1]) for c in inputs["entity_id"]]

    labels, names = [], []
    for seed in range(10):
        with threadpool_limits(1):
            fit = fit_missing(
                [spec],
                inputs,
                personas,
                pd.DataFrame(),
                pd.DataFrame(),
                refit=[],
                as_of_on=AS_OF.date(),
                random_seed=seed,
                minimum_overlap=0.5,
            )
        assert fit["random_seed"].unique().tolist() == [seed]
        by_feature = fit.drop_duplicates("feature_position").sort_values("feature_position")
        filled = np.where(np.isnan(values), by_feature["fill_value"].to_numpy(), values)
        rows = (filled - by_feature["shift"].to_numpy()) / by_feature["scale"].to_numpy()
        centres = fit.pivot(index="segment_id", columns="feature_position", values="centre")
        distances = ((rows[:, np.newaxis] - centres.to_numpy()[np.newaxis]) ** 2).sum(axis=2)
        labels.append(centres.index.to_numpy()[distances.argmin(axis=1)])
        named_segments = name_segments(
            fit, personas, minimum_match=variables["persona_minimum_match"]
        )
        names.append(
            dict(zip(named_segments["segment_id"], named_segments["segment_name"], strict=True))
        )

    assert min(adjusted_rand_score(*pair) for pair in combinations(labels, 2)) >= 0.99
    assert min(adjusted_rand_score(label, planted) for label in labels) >= 0.90
    assert all(name == names[0] for name in names)
    # Not only the groups but their ids are the same, whatever order k-means found them in.
    assert min(np.mean(label == labels[0]) for label in labels) > 0.99
    assert sorted(names[0].values()) == sorted(truth["groups"]["names"])
    found = table(demo_build.path, "marts.segments")
    found = found[found["segmentation"] == "behaviour"]
    assert dict(zip(found["segment_id"], found["segment_name"], strict=True)) == names[0]
