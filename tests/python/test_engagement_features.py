"""Features as known the day before a campaign: against pandas on the demo, and without leaks."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from evidence_sql import build, models_for, tables_of
from rendering import project_vars
from scipy import stats
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

VARS = project_vars()
KEYS = ["campaign_id", "customer_id"]
BEFORE = [one["name"] for one in VARS["engagement_features"] if one["timing"] != "after"]
WEEKDAYS = [one["name"] for one in VARS["engagement_features"] if one["timing"] == "at_delivery"]
DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


def table(demo: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    return demo.sql(f"select * from {name}").df()


@pytest.fixture(scope="module")
def features(demo: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    rows = table(demo, "intermediate.int_engagement_features")
    return rows.sort_values(KEYS, ignore_index=True)


# --- the demo, a second time ---


def test_the_demos_responses_are_pandas_too(
    demo: duckdb.DuckDBPyConnection, features: pd.DataFrame
) -> None:
    rows = table(demo, "staging.stg_campaign_engagements")
    rows = rows.merge(table(demo, "intermediate.int_adult_customers"))
    rows = rows.merge(table(demo, "seeds.channels"), how="left", on="channel")
    rows["is_shown"] = rows["impressions"] > 0
    openable = rows[rows["is_shown"] & rows["opens"].notna() & rows["has_opens"].fillna(False)]
    rows = rows[~rows.groupby(KEYS)["is_holdout"].transform("max")]
    expected = (
        rows.groupby(KEYS)[["conversions"]]
        .max()
        .join(
            [
                openable.groupby(KEYS)["opens"].max(),
                rows[rows["is_shown"]].groupby(KEYS)["clicks"].max(),
            ]
        )
    )
    found = features.set_index(KEYS)
    assert list(found.index) == list(expected.sort_index().index)
    for column, outcome in [
        ("opens", "opened"),
        ("clicks", "clicked"),
        ("conversions", "converted"),
    ]:
        counts = expected.sort_index()[column].astype(float)
        happened = (counts > 0).astype(float).where(counts.notna())
        pd.testing.assert_series_equal(
            found[f"campaign_{outcome}"].astype(float), happened, check_names=False
        )


def test_the_demos_features_are_pandas_too(
    demo: duckdb.DuckDBPyConnection, features: pd.DataFrame
) -> None:
    keys = features[[*KEYS, "starts_on"]]
    window, recent = VARS["window_days"], VARS["recent_contact_days"]

    def earlier(name: str, day: str) -> pd.DataFrame:
        rows = keys.merge(table(demo, f"staging.{name}"), on="customer_id", suffixes=("", "_other"))
        age = (rows["starts_on"] - pd.to_datetime(rows[day])).dt.days
        return rows.assign(age=age)[(age >= 1) & (age <= window)]

    transactions = earlier("stg_transactions", "transacted_on").groupby(KEYS)
    sessions = earlier("stg_digital_sessions", "used_on").groupby(KEYS)
    contacts = earlier("stg_campaign_engagements", "occurred_on")
    contacts = contacts[~contacts["is_holdout"] & (contacts["impressions"] > 0)]
    contacts = contacts[contacts["campaign_id"] != contacts["campaign_id_other"]]
    by_contact = contacts.groupby(KEYS)
    holdings = keys.merge(table(demo, "staging.stg_product_holdings"), on="customer_id")
    holdings = holdings[
        (holdings["opened_on"] < holdings["starts_on"])
        & ~(holdings["closed_on"] < holdings["starts_on"])
    ]
    joined = keys.merge(table(demo, "staging.stg_customers")[["customer_id", "joined_on"]])
    tenure = (joined["starts_on"] - joined["joined_on"]).dt.days - 1
    versions = table(demo, "staging.base_customers")
    versions = versions[versions["row_status"].isin(["accepted", "superseded"])]
    versions = keys.merge(versions[~versions["is_deleted"].fillna(False)], on="customer_id")
    versions = versions[versions["updated_at"] < versions["starts_on"]]
    latest = versions.sort_values(["updated_at", "source_row"]).groupby(KEYS).tail(1)
    latest = latest.set_index(KEYS)
    expected = pd.DataFrame(index=pd.MultiIndex.from_frame(keys[KEYS]))
    for name in ("monthly_income", "account_balance", "loyalty_score"):
        expected[name] = latest[name].astype(float)
    consent = latest["marketing_consent"].fillna(False).astype(float)
    expected["has_consented"] = consent
    expected["days_since_joining"] = tenure.where(tenure >= 0).set_axis(
        pd.MultiIndex.from_frame(joined[KEYS])
    )
    expected["earlier_transaction_count"] = transactions.size()
    expected["earlier_transaction_amount"] = transactions["amount"].sum().astype(float)
    expected["days_since_earlier_transaction"] = transactions["age"].min()
    expected["earlier_session_count"] = sessions["session_count"].sum()
    expected["earlier_session_minutes"] = sessions["minutes"].sum().astype(float)
    expected["earlier_product_count"] = holdings.groupby(KEYS)["product"].nunique()
    expected["days_since_contact"] = by_contact["age"].min()
    expected["recent_contact_count"] = contacts[contacts["age"] <= recent].groupby(KEYS).size()
    expected["earlier_click_count"] = by_contact["clicks"].sum()
    expected["earlier_ctr"] = by_contact["clicks"].sum() / by_contact["impressions"].sum()
    counts = [name for name in expected if name.startswith(("earlier_", "recent_"))]
    counts.remove("earlier_ctr")
    expected[counts] = expected[counts].fillna(0)
    found = features.set_index(KEYS)
    assert set(expected) | set(WEEKDAYS) == set(BEFORE)
    for name in expected:
        pd.testing.assert_series_equal(
            found[name].astype(float), expected[name].astype(float), check_names=False, rtol=1e-9
        )
    assert (found["is_version_known"] == found.index.isin(latest.index)).all()


def test_the_demos_days_of_first_contact_are_pandas_too(
    demo: duckdb.DuckDBPyConnection, features: pd.DataFrame
) -> None:
    rows = table(demo, "staging.stg_campaign_engagements")
    rows = rows[~rows["is_holdout"] & (rows["impressions"] > 0)]
    first = pd.to_datetime(rows.groupby(KEYS)["occurred_on"].min()).dt.day_name()
    found = features.set_index(KEYS)
    day = first.reindex(found.index)
    for name in WEEKDAYS:
        is_day = (day.str.lower() == name.removeprefix("first_contact_on_")).astype(float)
        pd.testing.assert_series_equal(
            found[name].astype(float), is_day.where(day.notna()), check_names=False
        )


def test_the_demos_factors_are_scipys_and_scikit_learns(
    demo: duckdb.DuckDBPyConnection, features: pd.DataFrame
) -> None:
    """All customers and clicking: ranks by scipy, one campaign at a time; lbfgs for the effects."""
    factors = table(demo, "evidence.engagement_factors")
    found = factors[factors["is_all_customers"] & (factors["outcome"] == "clicked")]
    found = found.set_index("feature")
    members = table(demo, "customers.customer_segments")["customer_id"]
    rows = features[features["customer_id"].isin(members) & features["campaign_clicked"].notna()]
    ranks, numerators = [], {name: [0.0, 0.0, 0.0] for name in BEFORE}
    for _, own in rows.groupby("campaign_id"):
        y = own["campaign_clicked"].to_numpy(dtype=float)
        columns = []
        for name in BEFORE:
            x = own[name].to_numpy(dtype=float)
            known = ~np.isnan(x)
            column, n = np.zeros(len(x)), known.sum()
            if n:
                column[known] = (stats.rankdata(x[known]) - (n + 1) / 2) / n
                if n > 2 and np.ptp(x[known]) > 0:
                    own_correlation = stats.spearmanr(x[known], y[known]).statistic
                    centred = y[known] - y[known].mean()
                    xx, yy = column @ column, centred @ centred
                    numerators[name][0] += own_correlation * np.sqrt(xx * yy)
                    numerators[name][1] += xx
                centred = y[known] - y[known].mean()
                numerators[name][2] += centred @ centred
            columns.append(column)
        ranks.append(np.stack(columns, axis=1))
    for name, (xy, xx, yy) in numerators.items():
        assert found.loc[name, "correlation"] == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-9)
    values = np.concatenate(ranks)
    values = values / np.sqrt((values**2).mean(axis=0))
    y = np.concatenate([own["campaign_clicked"] for _, own in rows.groupby("campaign_id")])
    model = LogisticRegression(C=1 / len(BEFORE), tol=1e-8, max_iter=1000).fit(values, y)
    assert list(found.loc[BEFORE, "standardised_effect"]) == pytest.approx(
        list(model.coef_[0]), abs=1e-4
    )
    for _, family in factors.groupby("family"):
        tests = family[family["p"].notna()]
        expected = stats.false_discovery_control(tests["p"]) if len(tests) else []
        assert list(tests["adjusted_p"]) == pytest.approx(list(expected), rel=1e-9)


# --- nothing of the start day or later is known ---

INPUTS = """
create table as_of as select date '2026-06-30' as as_of_on;
create table int_adult_customers as select 'C1' as customer_id union all select 'C2';
create table stg_customers as
select customer_id, date '2025-01-01' as joined_on from int_adult_customers;
create table channels as select 'email' as channel, 'owned' as channel_group, true as has_opens;
create table stg_campaigns as
select * from (values ('early', date '2026-01-05', date '2026-04-30'),
    ('K', date '2026-03-01', date '2026-03-31')) as campaigns (campaign_id, starts_on, ends_on);
create table stg_campaign_engagements as
select 'K' as campaign_id, customer_id, 'email' as channel, date '2026-03-02' as occurred_on,
    false as is_holdout, 2 as impressions, 1 as opens, 0 as clicks, 0 as conversions
from int_adult_customers;
create table base_customers as
select customer_id, timestamp '2026-01-01 10:00' as updated_at, 1000.0 as monthly_income,
    50.0 as account_balance, 5.0 as loyalty_score, true as marketing_consent, false as is_deleted,
    'accepted' as row_status, 'customers.csv' as source_file, 1 as source_row
from int_adult_customers;
create table stg_transactions (customer_id varchar, transacted_on date, amount decimal(18, 2));
create table stg_digital_sessions
    (customer_id varchar, used_on date, session_count bigint, minutes decimal(18, 2));
create table stg_product_holdings
    (customer_id varchar, product varchar, opened_on date, closed_on date);
"""
# What C1 does on a day, and the features it changes once it is known.
EVENTS = {
    "insert into stg_transactions values ('C1', date '{day}', 12.5)": {
        "earlier_transaction_count",
        "earlier_transaction_amount",
        "days_since_earlier_transaction",
    },
    "insert into stg_digital_sessions values ('C1', date '{day}', 2, 7.5)": {
        "earlier_session_count",
        "earlier_session_minutes",
    },
    "insert into stg_product_holdings values ('C1', 'savings', date '{day}', null)": {
        "earlier_product_count"
    },
    "insert into stg_campaign_engagements "
    "values ('early', 'C1', 'email', date '{day}', false, 4, 1, 1, 0)": {
        "days_since_contact",
        "recent_contact_count",
        "earlier_click_count",
        "earlier_ctr",
    },
    "insert into base_customers values ('C1', timestamp '{day} 09:00', 2000, 60, 6, false, "
    "false, 'accepted', 'customers.csv', 2)": {
        "monthly_income",
        "account_balance",
        "loyalty_score",
        "has_consented",
    },
}


def known(*events: str) -> pd.Series[float]:
    """C1's features for campaign K, which starts on 2026-03-01."""
    with duckdb.connect() as connection:
        connection.execute(INPUTS)
        for event in events:
            connection.execute(event)
        build(connection, models_for("int_engagement_features", tables_of(connection)))
        rows = table(connection, "int_engagement_features").set_index(KEYS)
    return rows.loc[("K", "C1"), BEFORE].astype(float)


@pytest.mark.parametrize("event", EVENTS)
def test_what_happens_on_the_start_day_changes_no_feature(event: str) -> None:
    plain = known()
    pd.testing.assert_series_equal(known(event.format(day="2026-03-01")), plain)
    day_before = known(event.format(day="2026-02-28"))
    changed = {name for name in BEFORE if not np.isclose(day_before[name], plain[name])}
    changed -= {name for name in changed if pd.isna(day_before[name]) and pd.isna(plain[name])}
    assert changed == EVENTS[event]


def test_a_product_closed_the_day_before_is_held_no_longer() -> None:
    held = "insert into stg_product_holdings values ('C1', 'savings', date '2020-01-01', {day})"
    for day, count in [("null", 1), ("date '2026-03-01'", 1), ("date '2026-02-28'", 0)]:
        assert known(held.format(day=day))["earlier_product_count"] == count


def test_a_customer_with_a_holdout_row_in_the_campaign_is_left_out() -> None:
    row = (
        "insert into stg_campaign_engagements "
        "values ('K', 'C1', 'email', date '2026-03-03', true, 0, 0, 0, 0)"
    )
    with pytest.raises(KeyError):
        known(row)
