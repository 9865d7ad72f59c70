"""The demo's evidence marts, recomputed from its customers with pandas, numpy and scipy, and the
verdicts on its claims: which appear, what they may say, and which claims stop a build.

Customers' own figures and their segments are taken from the warehouse (they have tests of their
own); sums over segments, strata, errors, p-values and their adjustment are made here a second time.
"""

from __future__ import annotations

import csv
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import OWN_VARIABLES, Build
from plain_words import assert_plain
from rendering import project_vars
from scipy import stats
from unskewed import mean_of, ratio_of

VARS = project_vars()
Z = float(stats.norm.ppf(0.975))
Claim = dict[str, str]


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def members(demo: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return table(demo, "customers.customer_segments")[["segmentation", "segment_id", "customer_id"]]


@pytest.fixture(scope="module")
def verdicts(demo: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return table(demo, "evidence.claim_verdicts").set_index("claim_id")


def table(demo: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    rows = demo.sql(f"select * from {name}").df()
    return rows.assign(cell=rows["cell"].fillna("")) if "cell" in rows else rows


def window(demo: duckdb.DuckDBPyConnection) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The day the window starts after, and the as-of day."""
    row = table(demo, "staging.as_of").iloc[0]
    return row["window_starts_after"], row["as_of_on"]


def assert_same(found: Any, expected: Any, what: object, relative: float = 1e-9) -> None:
    """Equal; null only where null is expected."""
    if expected is None or pd.isna(expected):
        assert pd.isna(found), what
    else:
        assert found == pytest.approx(expected, rel=relative, abs=1e-12), what


def assert_adjusted(mart: pd.DataFrame) -> None:
    """Adjusted p equals scipy's over the tests of each family, and no others have one."""
    for family, rows in mart.groupby("family"):
        tests = rows[rows["p"].notna()]
        expected = stats.false_discovery_control(tests["p"]) if len(tests) else []
        assert list(tests["adjusted_p"]) == pytest.approx(list(expected), rel=1e-9), family
        assert rows.loc[rows["p"].isna(), "adjusted_p"].isna().all(), family


def wilson(successes: float, n: float) -> tuple[float, float]:
    p = successes / n
    middle, half = 2 * n * p + Z * Z, Z * math.sqrt(Z * Z + 4 * n * p * (1 - p))
    low, high = (middle - half) / (2 * (n + Z * Z)), (middle + half) / (2 * (n + Z * Z))
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def newcombe(a: float, m: float, b: float, n: float) -> tuple[float, float]:
    p, q = a / m, b / n
    (l1, u1), (l2, u2) = wilson(a, m), wilson(b, n)
    return p - q - math.hypot(p - l1, u2 - q), p - q + math.hypot(u1 - p, q - l2)


def chi_squared_p(a: float, m: float, b: float, n: float) -> float | None:
    if not 0 < a + b < m + n:
        return None
    return float(stats.chi2_contingency([[a, m - a], [b, n - b]], correction=False).pvalue)


def is_small(customers: float, events: float) -> bool:
    return bool(customers < VARS["small_cell_customers"] or events < VARS["small_cell_events"])


# --- differences between segments ---


def customer_cells(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame, metric: str
) -> tuple[str, pd.DataFrame]:
    """The kind of a metric, and its numerator y, denominator x and events e per customer."""
    if metric == "ctr":
        rows = members.merge(table(demo, "intermediate.int_customer_engagement"))
        y = rows["click_count"].astype(float)
        return "ratio", rows.assign(cell="", y=y, x=rows["impression_count"].astype(float), e=y)
    if metric == "purchase_rate":
        name, cell = "int_customer_products", "product"
    else:
        name, cell = "int_customer_transaction_types", "transaction_type"
    own = table(demo, f"intermediate.{name}").rename(columns={cell: "cell"})
    rows = members.merge(own[["cell"]].drop_duplicates(), how="cross")
    rows = rows.merge(own, how="left", on=["customer_id", "cell"])
    if metric == "purchase_rate":
        y = rows["is_bought_in_window"].eq(True).astype(float)
        return "proportion", rows.assign(y=y, x=1.0, e=y)
    y = rows["total_amount"].astype(float).fillna(0)
    return "mean", rows.assign(y=y, x=1.0, e=rows["transaction_count"].gt(0).astype(float))


def group_figures(kind: str, metric: str, customers: pd.DataFrame) -> dict[str, Any]:
    y, x, n = customers["y"].to_numpy(), customers["x"].to_numpy(), len(customers)
    estimate = ratio_of(y, x) if kind == "ratio" else mean_of(y)
    small = is_small(n, customers["e"].sum())
    if kind != "proportion":
        small |= bool(y.sum() ** 2 < VARS["small_cell_even_events"] * (y @ y))
    if metric == "amount_per_customer":
        carriers = int((y > 0).sum())
        inequality = 1 - np.sqrt(y).sum() ** 2 / (carriers * y.sum())
        many = VARS["customers_per_squared_skewness"]
        is_skewed = (estimate.cumulant / estimate.error**3) ** 2 * many > 1
        small |= carriers < VARS["small_cell_customers"]
        small |= bool(inequality > VARS["largest_inequality"] and is_skewed)
    return {"n": n, "y": y.sum(), "estimate": estimate, "small": small}


@pytest.mark.parametrize(
    ("mart", "metric"),
    [
        ("segment_engagement", "ctr"),
        ("segment_product_ownership", "purchase_rate"),
        ("segment_transactions", "amount_per_customer"),
    ],
)
def test_differences_between_segments_are_those_of_their_customers(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame, mart: str, metric: str
) -> None:
    kind, customers = customer_cells(demo, members, metric)
    differences = table(demo, "evidence.segment_differences")
    differences = differences.query("mart == @mart and metric == @metric")
    found = {
        (row.segmentation, row.cell, row.segment_id, row.other_segment_id): row
        for row in differences.assign(
            other_segment_id=differences["other_segment_id"].fillna(0)
        ).itertuples()
    }
    expected = 0
    for (segmentation, cell), rows in customers.groupby(["segmentation", "cell"]):
        segments = sorted(rows["segment_id"].unique())
        groups = {s: group_figures(kind, metric, rows[rows["segment_id"] == s]) for s in segments}
        rests = {s: group_figures(kind, metric, rows[rows["segment_id"] != s]) for s in segments}
        pairs = [(s, 0, groups[s], rests[s]) for s in segments]
        pairs += [(s, o, groups[s], groups[o]) for s, o in permutations(segments, 2)]
        expected += len(pairs)
        for own_id, other_id, own, other in pairs:
            what = (metric, segmentation, cell, own_id, other_id)
            row: Any = found[segmentation, cell, own_id, other_id]
            assert row.compared_with == ("segment" if other_id else "rest"), what
            assert (row.customer_count, row.other_customer_count) == (own["n"], other["n"]), what
            difference = own["estimate"] - other["estimate"]
            assert_same(row.estimate, own["estimate"].value, what)
            assert_same(row.other_estimate, other["estimate"].value, what)
            assert row.difference == pytest.approx(difference.value, rel=1e-7, abs=1e-12), what
            if kind == "proportion":
                counts = (own["y"], own["n"], other["y"], other["n"])
                low, high = newcombe(*counts)
                p = chi_squared_p(*counts)
            else:
                low, high = difference.interval(VARS["confidence_level"])
                p = difference.p()
                assert row.is_small_cell or (row.p < 0.05) == (low > 0 or high < 0), what
            assert_same(row.difference_low, low, what, 1e-7)
            assert_same(row.difference_high, high, what, 1e-7)
            assert row.is_small_cell == (own["small"] or other["small"]), what
            assert_same(row.p, None if row.is_small_cell else p, what, 1e-5)
    assert len(differences) == len(found) == expected > 0


def test_adjusted_p_of_the_demo_is_scipys_within_each_question(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    differences = table(demo, "evidence.segment_differences")
    question = (
        differences["segmentation"] + ": " + differences["mart"] + "." + differences["metric"]
    )
    assert (differences["family"] == question).all()
    assert_adjusted(differences)
    for name in (
        "segment_channel_purchase_association",
        "segment_product_purchase_association",
        "segment_count_amount_association",
    ):
        mart = table(demo, f"evidence.{name}")
        scope = mart["is_all_customers"].map({True: ", all customers", False: ""})
        assert (mart["family"] == mart["segmentation"] + f": {name}" + scope).all()
        assert mart["p"].notna().any()
        assert_adjusted(mart)


# --- owning one product, buying another ---


def product_pairs(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame
) -> dict[tuple[str, int, str, str], tuple[int, int, int, int]]:
    """Buyers and customers, with and without the owned product."""
    start, _ = window(demo)
    joined = table(demo, "staging.stg_customers").set_index("customer_id")["joined_on"]
    holdings = table(demo, "staging.stg_product_holdings")
    owned = holdings[
        (holdings["opened_on"] <= start)
        & (holdings["closed_on"].isna() | (holdings["closed_on"] > start))
    ]
    bought = holdings[holdings["opened_on"] > start]
    owners = {name: set(rows["customer_id"]) for name, rows in owned.groupby("product")}
    buyers = {name: set(rows["customer_id"]) for name, rows in bought.groupby("product")}
    late = set(joined[joined > start].index)
    assert late, "nobody joined within the window"
    pairs = {}
    for (segmentation, segment_id), rows in members.groupby(["segmentation", "segment_id"]):
        here = set(rows["customer_id"]) - late
        for owned_product, product in permutations(sorted(set(holdings["product"])), 2):
            with_it = here & owners.get(owned_product, set())
            without = here - with_it
            buying = buyers.get(product, set())
            pairs[segmentation, segment_id, owned_product, product] = (
                len(with_it & buying),
                len(with_it),
                len(without & buying),
                len(without),
            )
    return pairs


def test_product_pairs_are_counted_from_holdings(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame
) -> None:
    pairs = product_pairs(demo, members)
    mart = table(demo, "evidence.segment_product_purchase_association")
    mart = mart[~mart["is_all_customers"]]
    assert not mart.duplicated(["segmentation", "segment_id", "owned_product", "product"]).any()
    assert len(mart) == len(pairs)
    for row in mart.itertuples():
        key = (row.segmentation, row.segment_id, row.owned_product, row.product)
        a, m, b, n = pairs[key]
        found = (row.owning_buyer_count, row.owner_count, row.other_buyer_count, row.other_count)
        assert found == (a, m, b, n), key
        low, high = newcombe(a, m, b, n) if m and n else (None, None)
        assert_same(row.purchase_difference, a / m - b / n if m and n else None, key)
        assert_same(row.purchase_difference_low, low, key)
        assert_same(row.purchase_difference_high, high, key)
        assert row.is_small_cell == is_small(min(m, n), a + b), key
        p = None if row.is_small_cell else chi_squared_p(a, m, b, n)
        assert_same(row.p, p, key, 1e-6)


def test_product_pairs_over_all_segments_are_pooled_and_stratified(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame
) -> None:
    pairs = product_pairs(demo, members)
    mart = table(demo, "evidence.segment_product_purchase_association")
    keys = ["segmentation", "owned_product", "product"]
    for (segmentation, owned, product), rows in mart.groupby(keys):
        what = (segmentation, owned, product)
        cells = [pairs[segmentation, s, owned, product] for s in rows["segment_id"].dropna()]
        a, m, b, n = (np.array(column, dtype=float) for column in zip(*cells, strict=True))
        used = (m > 0) & (n > 0)
        a, m, b, n = a[used], m[used], b[used], n[used]
        weight = m * n / (m + n)
        difference = (weight * (a / m - b / n)).sum() / weight.sum()
        variance = a / m * (1 - a / m) / m + b / n * (1 - b / n) / n
        error = math.sqrt((weight**2 * variance).sum()) / weight.sum()
        low, high = newcombe(a.sum(), m.sum(), b.sum(), n.sum())
        within = (difference - Z * error, difference + Z * error)
        for row in rows.itertuples():
            assert_same(row.pooled_difference, a.sum() / m.sum() - b.sum() / n.sum(), what)
            assert_same(row.pooled_difference_low, low, what)
            assert_same(row.pooled_difference_high, high, what)
            assert_same(row.stratified_difference, difference, what)
            assert_same(row.stratified_difference_low, within[0], what)
            assert_same(row.stratified_difference_high, within[1], what)
            is_reversed = (low > 0 and within[1] < 0) or (high < 0 and within[0] > 0)
            assert row.is_reversed_when_pooled == is_reversed, what
        everybody: Any = next(rows[rows["is_all_customers"]].itertuples())
        assert (everybody.owner_count, everybody.other_count) == (m.sum(), n.sum()), what
        assert_same(everybody.purchase_difference, difference, what)
        assert_same(everybody.purchase_difference_low, within[0], what)
        assert_same(everybody.purchase_difference_high, within[1], what)
        assert everybody.is_small_cell == is_small(min(m.sum(), n.sum()), (a + b).sum()), what
        p = None if everybody.is_small_cell else 2 * stats.norm.sf(abs(difference / error))
        assert_same(everybody.p, p, what, 1e-6)


# --- clicking, then buying ---


def spells_of(demo: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per campaign, channel and customer followed to the end: clicked, bought, seen."""
    _, as_of = window(demo)
    seen = table(demo, "staging.stg_campaign_engagements")
    seen = seen[~seen["is_holdout"] & (seen["impressions"] > 0)]
    born = table(demo, "staging.stg_customers").set_index("customer_id")["birth_year"]
    minors = born[as_of.year - born < VARS["minimum_marketing_age"]].index
    assert seen["customer_id"].isin(minors).any(), "no minor was shown anything"
    seen = seen[~seen["customer_id"].isin(minors)]
    advertised = table(demo, "staging.stg_campaigns").set_index("campaign_id")["product"].dropna()
    holdings = table(demo, "staging.stg_product_holdings")
    opened: dict[tuple[str, str], list[pd.Timestamp]] = {}
    for row in holdings.itertuples():
        opened.setdefault((row.customer_id, row.product), []).append(row.opened_on)
    wait = pd.Timedelta(days=VARS["landmark_days"])
    follow = pd.Timedelta(days=VARS["follow_up_days"])
    keys = ["campaign_id", "channel", "customer_id"]
    seen = seen[seen["campaign_id"].isin(advertised.index)]
    first = seen.groupby(keys)["occurred_on"].transform("min")
    seen = seen[seen["occurred_on"] <= first + wait].assign(landmark=first + wait)
    spells = seen.groupby(keys, as_index=False).agg(
        landmark=("landmark", "first"), seen=("impressions", "sum"), clicks=("clicks", "max")
    )
    spells = spells[spells["landmark"] + follow <= as_of]
    rows = []
    for spell in spells.itertuples():
        days = opened.get((spell.customer_id, advertised[spell.campaign_id]), [])
        if any(spell.landmark - wait <= day <= spell.landmark for day in days):
            continue
        bought = any(spell.landmark < day <= spell.landmark + follow for day in days)
        stratum = min(int(spell.seen), VARS["impression_strata"])
        rows.append((spell.channel, spell.customer_id, stratum, spell.clicks > 0, bought))
    return pd.DataFrame(rows, columns=["channel", "customer_id", "stratum", "clicked", "bought"])


def stratified(spells: pd.DataFrame) -> dict[str, float]:
    """Mantel-Haenszel difference and ratio of purchases, with errors clustered by customer."""
    parts = dict.fromkeys(["n1", "y1", "n0", "y0", "weight", "share1", "share0", "customers"], 0.0)
    influence: dict[str, list[float]] = {}
    clickers: set[str] = set()
    others: set[str] = set()
    for _, stratum in spells.groupby("stratum"):
        clicked, bought = stratum["clicked"].to_numpy(), stratum["bought"].to_numpy(float)
        n1, n0 = clicked.sum(), (~clicked).sum()
        if not n1 or not n0:
            continue
        rate1, rate0 = bought[clicked].mean(), bought[~clicked].mean()
        weight = n1 * n0 / (n1 + n0)
        added = (n1, bought[clicked].sum(), n0, bought[~clicked].sum())
        added += (weight, weight * rate1, weight * rate0)
        for name, value in zip(parts, added, strict=False):
            parts[name] += value
        for customer, has_clicked, has_bought in zip(
            stratum["customer_id"], clicked, bought, strict=True
        ):
            own = influence.setdefault(customer, [0.0, 0.0])
            (clickers if has_clicked else others).add(customer)
            if has_clicked:
                own[0] += weight * (has_bought - rate1) / n1
            else:
                own[1] += weight * (has_bought - rate0) / n0
    one, none = np.array(list(influence.values())).T
    share1, share0 = parts["share1"], parts["share0"]
    parts["customers"] = len(influence)
    parts["customers1"], parts["customers0"] = len(clickers), len(others)
    parts["difference"] = (share1 - share0) / parts["weight"]
    parts["error"] = math.sqrt(((one - none) ** 2).sum()) / parts["weight"]
    has_ratio = share1 > 0 and share0 > 0
    parts["ratio"] = share1 / share0 if has_ratio else math.nan
    logs = ((one / share1 - none / share0) ** 2).sum() if has_ratio else math.nan
    parts["log_error"] = math.sqrt(logs)
    return parts


def test_clicks_and_purchases_are_stratified_with_errors_by_customer(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame
) -> None:
    spells = members.merge(spells_of(demo), on="customer_id")
    spells["stratum"] = list(zip(spells["segment_id"], spells["stratum"], strict=True))
    spells = pd.concat([spells, spells.assign(segment_id=0)])
    mart = table(demo, "evidence.segment_channel_purchase_association")
    keys = ["segmentation", "segment_id", "channel"]
    assert not mart.duplicated(keys).any()
    mart = mart.assign(segment_id=mart["segment_id"].fillna(0))
    assert (mart["is_all_customers"] == (mart["segment_id"] == 0)).all()
    found = {(row.segmentation, row.segment_id, row.channel): row for row in mart.itertuples()}
    groups = dict(iter(spells.groupby(keys)))
    groups = {key: rows for key, rows in groups.items() if rows["clicked"].nunique() == 2}
    assert found.keys() == groups.keys() and found
    assert any(rows["customer_id"].duplicated().any() for rows in groups.values())
    for key, rows in groups.items():
        row: Any = found[key]
        fit, crude = stratified(rows), stratified(rows.assign(stratum=0))
        counts = (row.clicked_count, row.clicked_buyer_count, row.other_count)
        counts += (row.other_buyer_count, row.customer_count)
        expected = tuple(fit[name] for name in ("n1", "y1", "n0", "y0", "customers"))
        assert counts == expected, key
        difference, error = fit["difference"], fit["error"]
        assert_same(row.purchase_difference, difference, key)
        assert_same(row.purchase_difference_low, difference - Z * error, key)
        assert_same(row.purchase_difference_high, difference + Z * error, key)
        spread = math.exp(Z * fit["log_error"])
        if not math.isnan(fit["ratio"]):
            assert_same(row.purchase_ratio, fit["ratio"], key)
            assert_same(row.purchase_ratio_low, fit["ratio"] / spread, key)
            assert_same(row.purchase_ratio_high, fit["ratio"] * spread, key)
        assert_same(row.crude_difference, crude["difference"], key)
        assert_same(row.crude_difference_low, crude["difference"] - Z * crude["error"], key)
        assert_same(row.crude_difference_high, crude["difference"] + Z * crude["error"], key)
        customers = (row.clicked_customer_count, row.other_customer_count)
        assert customers == (fit["customers1"], fit["customers0"]), key
        small = is_small(min(customers), fit["y1"] + fit["y0"])
        assert row.is_small_cell == small, key
        p = None if small else 2 * stats.norm.sf(abs(difference / error))
        assert_same(row.p, p, key, 1e-6)


# --- how often and how much ---


def test_counts_and_amounts_are_ranked_as_scipy_ranks_them(
    demo: duckdb.DuckDBPyConnection, members: pd.DataFrame
) -> None:
    own = table(demo, "intermediate.int_customer_transaction_types")
    own["total_amount"] = own["total_amount"].astype(float)
    customers = own.groupby("customer_id")[["transaction_count", "total_amount"]].sum().round(2)
    rows = members.merge(customers, on="customer_id")
    rows = pd.concat([rows, rows.assign(segment_id=0)])
    mart = table(demo, "evidence.segment_count_amount_association")
    mart = mart.assign(segment_id=mart["segment_id"].fillna(0))
    found = {(row.segmentation, row.segment_id, row.metric): row for row in mart.itertuples()}
    assert len(found) == len(mart) == 2 * rows.groupby(["segmentation", "segment_id"]).ngroups
    for (segmentation, segment_id), group in rows.groupby(["segmentation", "segment_id"]):
        count, total = group["transaction_count"], group["total_amount"]
        for name, amount in {"total": total, "mean": total / count}.items():
            key = (segmentation, segment_id, f"count_{name}_rank_correlation")
            row: Any = found[key]
            assert row.customer_count == len(group), key
            rho = float(stats.spearmanr(count, amount).statistic)
            assert_same(row.estimate, rho, key, 1e-7)
            half = Z * math.sqrt((1 + rho * rho / 2) / (len(group) - 3))
            assert_same(row.estimate_low, math.tanh(math.atanh(rho) - half), key, 1e-6)
            assert_same(row.estimate_high, math.tanh(math.atanh(rho) + half), key, 1e-6)
            # Fisher's transformation is another approximation than Student's t.
            p = float(stats.spearmanr(count, amount).pvalue)
            assert row.p == pytest.approx(p, rel=0.25, abs=0.02), key


# --- verdicts ---


def test_every_kind_of_verdict_appears_in_the_demo(verdicts: pd.DataFrame) -> None:
    appearing = {"supported", "contradicted", "unsupported", "circular", "not_identifiable"}
    found = set(verdicts["verdict"].dropna())
    assert appearing <= found <= appearing | {"negligible"}


def test_every_claim_has_one_row(verdicts: pd.DataFrame, demo_build: Build) -> None:
    claims = claims_of(demo_build.folder)
    assert sorted(verdicts.index) == sorted(claim["claim_id"] for claim in claims)
    graded = verdicts[verdicts["claim_type"] != "explanation"]
    assert graded[["verdict", "verdict_label", "use_it", "reason", "read_as"]].notna().all().all()
    assert set(verdicts["use_it"].dropna()) == {"yes", "no", "test first"}
    assert set(graded.loc[graded["use_it"] == "yes", "verdict"]) == {"supported"}


def test_an_explanation_is_listed_and_never_graded(verdicts: pd.DataFrame) -> None:
    explanations = verdicts[verdicts["claim_type"] == "explanation"]
    assert len(explanations)
    nothing = ["verdict", "verdict_label", "use_it", "estimate", "adjusted_p", "figure_reproduces"]
    assert explanations[nothing].isna().all().all()
    assert explanations[["sentence", "source", "reason"]].notna().all().all()


def test_what_the_demo_does_not_contain_is_never_found(verdicts: pd.DataFrame) -> None:
    about = verdicts["sentence"].str.contains("insurance|twitter", case=False)
    nulls = verdicts[about & verdicts["claim_type"].isin(["more_than", "less_than", "goes_with"])]
    absences = verdicts[about & (verdicts["claim_type"] == "no_difference")]
    assert len(nulls) and len(absences)
    assert "supported" not in set(nulls["verdict"])
    assert "contradicted" not in set(absences["verdict"])


def test_only_circular_claims_say_whether_their_figure_comes_out(verdicts: pd.DataFrame) -> None:
    is_circular = verdicts["verdict"] == "circular"
    assert verdicts.loc[is_circular, "figure_reproduces"].notna().all()
    assert verdicts.loc[~is_circular, "figure_reproduces"].isna().all()
    for claim in ("demo_power_users_withdraw_most", "demo_affluent_deposit_most"):
        assert is_circular[claim]
        assert verdicts.loc[claim, "figure_reproduces"]
    # The true share is a fifth, not a third.
    assert not verdicts.loc["demo_occasionals_no_cards", "figure_reproduces"]


def test_a_sentence_that_says_too_much_is_not_let_through_by_its_reading(
    verdicts: pd.DataFrame,
) -> None:
    """They click less than the others, which may be used; that they do not click is wrong."""
    assert verdicts.loc["demo_power_users_respond_less", "use_it"] == "yes"
    said = verdicts.loc["demo_power_users_do_not_respond"]
    assert (said["verdict"], said["use_it"]) == ("contradicted", "no")


def test_what_goes_with_what_is_circular_only_where_it_is_compared_within_segments(
    verdicts: pd.DataFrame,
) -> None:
    associations = verdicts[
        verdicts["mart"].str.endswith("_association", na=False) & verdicts["segment_id"].isna()
    ]
    is_circular = associations["verdict"] == "circular"
    within = associations["reason"].str.startswith("Customers were compared within groups")
    assert (is_circular == within).all()
    assert is_circular.any()
    assert (associations.loc[~is_circular, "use_it"] == "yes").any()


def test_a_claim_of_first_place_rests_on_the_closest_rival(
    demo: duckdb.DuckDBPyConnection, verdicts: pd.DataFrame
) -> None:
    differences = table(demo, "evidence.segment_differences")
    tested = 0
    for claim in verdicts[verdicts["claim_type"] == "highest"].itertuples():
        rivals = differences[
            (differences["segmentation"] == claim.segmentation)
            & (differences["mart"] == claim.mart)
            & (differences["metric"] == claim.metric)
            & (differences["cell"] == claim.cell)
            & (differences["segment_id"] == claim.segment_id)
            & (differences["compared_with"] == "segment")
        ]
        closest = rivals.loc[rivals["difference"].idxmin()]
        assert claim.estimate == closest["difference"], claim.Index
        assert claim.estimate_low == closest["difference_low"], claim.Index
        assert claim.adjusted_p == rivals["adjusted_p"].max(), claim.Index
        tested += 1
    assert tested > 2


def test_what_people_read_is_in_plain_words(verdicts: pd.DataFrame) -> None:
    texts = verdicts[["reason", "read_as", "verdict_label", "use_it"]].stack().dropna()
    for text in texts:
        assert_plain(text)
        assert text[0].isupper() or text[0].isdigit() or text in ("yes", "no", "test first"), text
    for reason in verdicts["reason"]:
        assert reason.endswith("."), reason


# --- claims that stop a build ---


def claims_of(folder: Path) -> list[Claim]:
    with (folder / "seeds" / "raw_claims.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def scratch(demo_build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the built demo in which claims may be broken."""
    folder = tmp_path_factory.mktemp("claims") / "project"
    shutil.copytree(demo_build.folder, folder, symlinks=True)
    return folder


def failure_of(folder: Path, claims: list[Claim]) -> str:
    """The sentence with which dbt stops at these claims."""
    with (folder / "seeds" / "raw_claims.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, claims[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(claims)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OWN_VARIABLES and not name.startswith(("SEGMART_", "DBT_"))
    }
    dbt = str(Path(sys.executable).with_name("dbt"))
    selected = [
        *("raw_claims", "received_claims", "base_claims", "stg_claims"),
        *("impression_bands", "int_impression_bands"),
        *("int_claim_questions", "int_claim_keys", "int_claims"),
    ]
    kinds = ["--resource-type", "seed", "--resource-type", "model"]
    finished = subprocess.run(
        [dbt, "build", *kinds, "--select", *selected],
        cwd=folder,
        env=kept | {"PWD": str(folder), "SEGMART_TARGET": "dev"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1, finished.stdout[-4000:] + finished.stderr[-2000:]
    sentences = [
        line.strip() for line in finished.stdout.splitlines() if line.startswith("  claims, row ")
    ]
    assert len(sentences) == 1, finished.stdout[-4000:]
    return sentences[0]


def with_change(**change: str) -> Callable[[list[Claim]], list[Claim]]:
    return lambda claims: [
        *claims[:2],
        claims[2] | {"claim_id": "broken_one"} | change,
        *claims[3:],
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            with_change(segment="Nobody"),
            "claims, row broken_one: segment Nobody is no segment of behaviour and no label.",
        ),
        (
            with_change(mart="segment_moods"),
            "claims, row broken_one: there is no figure ctr in a mart segment_moods.",
        ),
        (
            with_change(channel="telegramm", mart="segment_channel_engagement"),
            "claims, row broken_one: channel telegramm is unknown here; "
            "look for a slip in writing.",
        ),
        (
            with_change(channel="email"),
            "claims, row broken_one: segment_engagement.ctr has no channel; "
            "leave it out or name another mart.",
        ),
        (
            with_change(mart="segment_product_ownership", metric="ownership_rate"),
            "claims, row broken_one: segment_product_ownership.ownership_rate needs a product.",
        ),
        (
            with_change(
                mart="segment_channel_impression_bands",
                metric="naive_ctr",
                claim_type="within",
                channel="email",
                band="8 to 12",
                figure_low="0",
                figure_high="1",
            ),
            "claims, row broken_one: band 8 to 12 is unknown here; look for a slip in writing.",
        ),
        (
            with_change(claim_type="goes_with", sign="+", compared_with=""),
            "claims, row broken_one: goes_with needs a figure that says how far things are apart, "
            "and ctr does not.",
        ),
        (
            with_change(claim_type="about", figure="a quarter", tolerance="0.03"),
            "claims, row broken_one: figure cannot be read; mend it or leave it empty.",
        ),
        (
            lambda claims: [*claims, claims[0]],
            "claims, row demo_occasionals_click_most: the claim_id stands there twice; "
            "give each claim its own.",
        ),
    ],
    ids=[
        "unknown segment",
        "unknown mart",
        "unknown channel",
        "key too many",
        "key missing",
        "unknown band",
        "nothing to go with",
        "not a number",
        "claim_id twice",
    ],
)
def test_a_claim_about_something_unknown_stops_the_build(
    scratch: Path,
    demo_build: Build,
    change: Callable[[list[Claim]], list[Claim]],
    says: str,
) -> None:
    assert failure_of(scratch, change(claims_of(demo_build.folder))) == says
