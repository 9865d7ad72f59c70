"""Attribution of revenue to channels, on random touch paths, against plain Python."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest
from evidence_sql import DBT
from hypothesis import given, settings
from hypothesis import strategies as st
from rendering import CompilerError, render, render_model

CHANNELS = ("display", "email", "facebook")
FIRST = date(2026, 1, 1)
RULES = ("last_touch", "first_touch", "linear")
MODELS = (
    "intermediate/campaigns/int_attribution_touches",
    "marts/campaigns/campaign_channel_attribution",
)
Row = tuple[str, str, str, int, int, int]
"""Campaign, customer, channel, day, impressions and revenue in cents."""

rows = st.lists(
    st.tuples(
        st.sampled_from(("K1", "K2")),
        st.sampled_from(("A", "B")),
        st.sampled_from(CHANNELS),
        st.integers(0, 4),
        st.integers(0, 2),
        st.one_of(st.just(0), st.integers(-1_000, 100_000)),
    ),
    max_size=14,
)


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("""
        create table stg_campaign_engagements (
            campaign_id varchar, customer_id varchar, channel varchar, occurred_on date,
            is_holdout boolean, impressions bigint, clicks bigint, revenue_amount decimal(18, 2));
        create table int_adult_customers as select * from (values ('A'), ('B')) as c (customer_id);
        create view int_campaign_channel_customers as
        select campaign_id, channel, 'a group' as channel_group, revenue_amount,
            cast(0 as decimal(18, 2)) as cost_amount
        from stg_campaign_engagements""")
    return connection


def attributed(
    connection: duckdb.DuckDBPyConnection, paths: list[Row], rule: str
) -> dict[tuple[str, str], Decimal]:
    connection.execute("delete from stg_campaign_engagements")
    for campaign, customer, channel, day, impressions, cents in paths:
        connection.execute(
            "insert into stg_campaign_engagements values (?, ?, ?, ?, false, ?, 0, ?)",
            [
                campaign,
                customer,
                channel,
                FIRST + timedelta(days=day),
                impressions,
                Decimal(cents) / 100,
            ],
        )
    for model in MODELS:
        sql = render_model(f"models/{model}.sql", dbt=DBT, variables={"attribution_rule": rule})
        connection.execute(f"create or replace table {model.split('/')[-1]} as {sql}")
    found = connection.execute(
        "select campaign_id, channel, attributed_revenue_amount from campaign_channel_attribution"
    ).fetchall()
    return {(campaign, channel): amount for campaign, channel, amount in found}


def expected(paths: list[Row], rule: str) -> dict[tuple[str, str], Decimal]:
    """One revenue after the other, cent by cent."""
    revenues: dict[tuple[str, str, str, int], int] = defaultdict(int)
    touches: dict[tuple[str, str], set[tuple[int, str]]] = defaultdict(set)
    result: dict[tuple[str, str], int] = {}
    for campaign, customer, channel, day, impressions, cents in paths:
        result[campaign, channel] = 0
        revenues[campaign, customer, channel, day] += cents
        if impressions > 0:
            touches[campaign, customer].add((day, channel))
    for (campaign, customer, own, day), cents in revenues.items():
        ordered = sorted((on, at == own, at) for on, at in touches[campaign, customer] if on <= day)
        path = [(on, at) for on, _, at in ordered]
        path = path or [(day, own)]
        if rule == "linear":
            cent = 1 if cents > 0 else -1
            for number in range(abs(cents)):
                result[campaign, path[number % len(path)][1]] += cent
        else:
            result[campaign, path[-1 if rule == "last_touch" else 0][1]] += cents
    return {key: Decimal(cents) / 100 for key, cents in result.items()}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(paths=rows)
def test_attribution_equals_plain_python_and_loses_no_cent(
    warehouse: duckdb.DuckDBPyConnection, rule: str, paths: list[Row]
) -> None:
    found = attributed(warehouse, paths, rule)
    assert found == expected(paths, rule)
    assert sum(found.values()) == Decimal(sum(row[-1] for row in paths)) / 100


def test_cents_that_do_not_divide_go_to_the_first_touches(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    paths: list[Row] = [
        ("K1", "A", "email", 0, 1, 0),
        ("K1", "A", "facebook", 1, 1, 0),
        ("K1", "A", "display", 2, 1, 200),
    ]
    found = attributed(warehouse, paths, "linear")
    assert found == {
        ("K1", "email"): Decimal("0.67"),
        ("K1", "facebook"): Decimal("0.67"),
        ("K1", "display"): Decimal("0.66"),
    }


def test_a_later_touch_earns_nothing_and_revenue_without_touch_stays_where_it_came(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    paths: list[Row] = [("K1", "A", "email", 1, 0, 500), ("K1", "A", "facebook", 2, 3, 0)]
    for rule in RULES:
        assert attributed(warehouse, paths, rule)["K1", "email"] == Decimal("5.00")
    untouched = warehouse.sql(
        "select sum(attributed_untouched_revenue_amount) from campaign_channel_attribution"
    ).fetchone()
    assert untouched == (Decimal("5.00"),)


def test_an_unknown_rule_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        CompilerError, match="attribution_rule: best is none; allowed are last_touch"
    ):
        render("attributed_cents()", variables={"attribution_rule": "best"})
