"""How often the intervals of customer_value hold, in worlds whose customers' futures are known.

The worlds follow BG/NBD and Gamma-Gamma, customers leave in them, and both their expectations and
what they then buy are known. The short form has a few worlds; the long one sixty, and writes
docs/customer_value_coverage.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from evidence_sql import build
from rendering import ROOT
from scipy import stats
from test_value import MUCH, OFTEN, better, fits

from segmentation import value
from segmentation.customer_value import score_customers
from segmentation.personas import Floats
from segmentation.value_baselines import BASELINES, baseline_interval, gamma_interval

MODEL = ROOT / "models" / "intermediate" / "int_segment_value_figures.sql"
PAGE = ROOT / "docs" / "customer_value_coverage.md"
CUSTOMERS = 400
FIGURES = [
    *("expected_transactions_90", "expected_transactions_365"),
    *("expected_revenue_90", "expected_revenue_365"),
]
LEVEL = 0.95
SCORING: dict[str, Any] = {
    "last_year_days": 365.0,
    "clv_horizon_days": 1095,
    "clv_discount_rate": 0.08,
    "confidence_level": LEVEL,
}


def bought(
    rate: Floats, leaves: Floats, until: Floats, rng: np.random.Generator
) -> tuple[np.ndarray[Any, np.dtype[np.intp]], Floats]:
    """Customer and day of every purchase after the first, which is on day 0, up to a day."""
    who, when = [], []
    buying, now = np.arange(len(rate)), np.zeros(len(rate))
    while len(buying):
        now = now + rng.exponential(1 / np.maximum(rate[buying], 1e-12))
        inside = now <= until[buying]
        buying, now = buying[inside], now[inside]
        who.append(buying)
        when.append(now)
        stays = rng.random(len(buying)) >= leaves[buying]
        buying, now = buying[stays], now[stays]
    return np.concatenate(who), np.concatenate(when)


def world(count: int, seed: int) -> pd.DataFrame:
    """Histories as `score_customers` reads them, and what is expected and what came after."""
    rng = np.random.default_rng([seed, count])
    age = rng.integers(30, 700, count).astype(float)
    rate, leaves = rng.gamma(OFTEN[0], 1 / OFTEN[1], count), rng.beta(OFTEN[2], OFTEN[3], count)
    who, when = bought(rate, leaves, age + 365, rng)
    # The first purchase is one of the last year too, where the customer is that new.
    who, when = np.append(who, np.arange(count)), np.append(when, np.zeros(count))
    amounts = rng.gamma(MUCH[0], 1, len(who)) / rng.gamma(MUCH[1], 1 / MUCH[2], count)[who]

    def total(chosen: np.ndarray[Any, np.dtype[np.bool_]], weights: Floats) -> Floats:
        return np.bincount(who[chosen], weights[chosen], count)

    ones, since = np.ones(len(who)), when - age[who]
    repeated, year = (when > 0) & (since <= 0), (since > -365) & (since <= 0)
    frequency = total(repeated, ones)
    recency = np.zeros(count)
    np.maximum.at(recency, who[repeated], when[repeated])
    mean_value = np.where(
        frequency > 0, total(repeated, amounts) / np.maximum(frequency, 1), np.nan
    )
    found = pd.DataFrame(
        {
            "customer_id": [f"C{number:06d}" for number in range(count)],
            "frequency": frequency,
            "recency_days": recency,
            "age_days": age,
            "mean_purchase_value": mean_value,
            "is_left_truncated": False,
            "last_year_purchase_count": total(year, ones),
            "last_year_amount": total(year, amounts),
            "last_year_squared_amount": total(year, amounts**2),
            "segment_id": np.arange(count) % 2 + 1,
        }
    )
    for horizon in (90, 365):
        later = (since > 0) & (since <= horizon)
        purchases = value.expected_purchases(OFTEN, frequency, recency, age, horizon)
        worth = value.expected_value(MUCH, frequency, mean_value)
        for outcome, truth, came in (
            ("transactions", purchases, total(later, ones)),
            ("revenue", purchases * worth, total(later, amounts)),
        ):
            found[f"truth_{outcome}_{horizon}"] = truth
            found[f"came_{outcome}_{horizon}"] = came
    return found


def held(scores: pd.DataFrame, histories: pd.DataFrame, what: str) -> dict[str, float]:
    """Share of the customers in whose intervals the truth lies, or what came."""
    return {
        figure: float(
            histories[figure.replace("expected", what)]
            .between(scores[f"{figure}_low"], scores[f"{figure}_high"])
            .mean()
        )
        for figure in FIGURES
    }


@cache
def population() -> dict[bool, dict[str, float]]:
    """Means over all customers there could be: expected (True), and what the last year was."""
    many = world(200_000, 10_000)
    year = {"transactions": "last_year_purchase_count", "revenue": "last_year_amount"}
    outcomes = {figure: figure.split("_")[1:] for figure in FIGURES}
    return {
        True: {
            figure: float(many[f"truth_{outcome}_{horizon}"].mean())
            for figure, (outcome, horizon) in outcomes.items()
        },
        False: {
            figure: float(many[year[outcome]].mean()) * int(horizon) / 365
            for figure, (outcome, horizon) in outcomes.items()
        },
    }


def measured(worlds: int, customers: int = CUSTOMERS) -> pd.DataFrame:
    """Shares that hold, one row per world, basis, what is to be held, and figure."""
    rows: list[dict[str, object]] = []
    for seed in range(worlds):
        histories = world(customers, seed)
        draws = fits(histories, seed)
        for basis in ("model", *BASELINES):
            cards = better(basis == "model")
            cards.loc[cards["metric"].str.endswith(basis), "baseline_value"] = 1.0
            scores = score_customers(histories, draws, cards, **SCORING)
            means = means_held(scores, histories, population()[basis == "model"])
            for figure in FIGURES:
                key = {"world": seed, "basis": basis, "figure": figure}
                low, high = scores[f"{figure}_low"], scores[f"{figure}_high"]
                for what in ("truth", "came"):
                    share = histories[figure.replace("expected", what)].between(low, high).mean()
                    rows.append(key | {"holds": what, "share": share})
                if figure in means:
                    rows.append(key | {"holds": "mean", "share": means[figure]})
    return pd.DataFrame(rows)


def means_held(
    scores: pd.DataFrame, histories: pd.DataFrame, truth: dict[str, float]
) -> dict[str, float]:
    """Share of the segments whose mean's interval, as segment_value has it, holds the truth."""
    columns = histories[["segment_id", "last_year_amount"]]
    members = pd.concat([scores, columns], axis=1).assign(segmentation="one")
    with duckdb.connect() as connection:
        connection.register("customer_value", members)
        connection.register("customer_segments", members)
        build(connection, [MODEL])
        found = connection.sql("from int_segment_value_figures").df()
    found["truth"] = found["value_figure"].map(truth)
    found = found[found["truth"].notna()]
    is_held = found["truth"].between(found["per_customer_low"], found["per_customer_high"])
    return is_held.groupby(found["value_figure"]).mean().to_dict()


def lasting(rate: float, sizes: Callable[[np.random.Generator, int], Floats]) -> pd.DataFrame:
    """Customers who all buy at the same rate and do not leave, over one year."""
    rng = np.random.default_rng(int(rate * 1_000))
    counts = rng.poisson(rate, 20_000)
    amounts = sizes(rng, counts.sum())
    who = np.repeat(np.arange(len(counts)), counts)
    return pd.DataFrame(
        {
            "last_year_purchase_count": counts,
            "last_year_amount": np.bincount(who, amounts, len(counts)),
            "last_year_squared_amount": np.bincount(who, amounts**2, len(counts)),
            "segment_id": 1,
        }
    )


SIZES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "even": lambda rng, count: rng.gamma(6, 1 / 6, count),
    "exponential": lambda rng, count: rng.exponential(1, count),
    "log-normal": lambda rng, count: np.exp(rng.normal(-0.5, 1, count)),
}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("rate", [0.3, 1, 3, 10, 50])
def test_a_baselines_interval_holds_the_rate_of_customers_who_go_on(
    rate: float, sizes: str
) -> None:
    """At least as often as it says, and of many purchases not much more often."""
    histories = lasting(rate, SIZES[sizes])
    error = np.sqrt(LEVEL * (1 - LEVEL) / len(histories))
    for outcome in ("transactions", "revenue"):
        low, high = baseline_interval("last year", histories, outcome, LEVEL)
        coverage = np.mean((low <= rate) & (rate <= high))
        assert coverage > LEVEL - 4 * error, (outcome, coverage)
        assert rate < 50 or coverage < 0.97, (outcome, coverage)


def test_a_segments_mean_holds_the_mean_of_customers_who_differ() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        counts = rng.poisson(rng.gamma(0.8, 3 / 0.8, 300)).astype(float)
        one = pd.DataFrame({"last_year_purchase_count": counts, "segment_id": 1})
        low, high = baseline_interval("segment mean", one, "transactions", LEVEL)
        held += bool(low[0] <= 3 <= high[0])
    assert stats.binom.ppf(0.001, 400, LEVEL) <= held <= stats.binom.ppf(0.999, 400, 0.97)


def test_of_counts_the_interval_is_garwoods() -> None:
    """Garwood, Biometrika 28, 1936: chi-squared quantiles."""
    counts = np.arange(60.0)
    low, high = gamma_interval(counts, counts, np.ones(60), LEVEL)
    assert low[0] == 0
    assert low[1:] == pytest.approx(stats.chi2.ppf(0.025, 2 * counts[1:]) / 2)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * counts + 2) / 2)


def test_what_does_not_vary_has_no_interval() -> None:
    alone = pd.DataFrame(
        {"last_year_purchase_count": [3.0], "last_year_amount": 0.0}
        | {"last_year_squared_amount": 0.0, "segment_id": 1}
    )
    for baseline, outcome in (("segment mean", "transactions"), ("last year", "revenue")):
        ends = baseline_interval(baseline, alone, outcome, LEVEL)
        assert np.isnan(ends).all()


# What each basis is to hold: the customers' own expectations, or the segment's mean of them.
PROMISES = {
    *(("model", "truth"), ("last year", "truth")),
    *((basis, "mean") for basis in ("model", *BASELINES)),
}


def assert_promise(table: pd.DataFrame) -> None:
    """Customers of one world share a fit, so worlds are the units, and four errors are allowed."""
    for key, own in table.groupby(["basis", "holds", "figure"])["share"]:
        if key[:2] in PROMISES:
            error = max(own.std(ddof=1), 0.02) / np.sqrt(len(own))
            assert own.mean() > 0.93 - 4 * error, (key, own.mean())


def test_intervals_of_value_hold_what_they_say() -> None:
    table = measured(8)
    assert_promise(table)
    model = table[(table["basis"] == "model") & (table["holds"] == "truth")]
    assert model["share"].mean() > 0.8
    came = table[(table["basis"] == "model") & (table["holds"] == "came")]
    assert came["share"].mean() < 0.2, "no interval of an expectation holds what one customer does"


@pytest.mark.full
def test_sixty_worlds_hold_what_they_say_and_make_the_page() -> None:
    table = measured(60)
    assert_promise(table)
    PAGE.write_text(as_page(table), encoding="utf-8")


def as_page(table: pd.DataFrame) -> str:
    wide = table.groupby(["basis", "figure", "holds"])["share"].agg(["mean", "sem"])
    lines = []
    for basis in ("model", *BASELINES):
        for figure in FIGURES:
            cells = []
            for what in ("truth", "mean", "came"):
                key = (basis, figure, what)
                cells.append(
                    f"{wide.loc[key, 'mean']:.1%} (± {1.96 * wide.loc[key, 'sem']:.1%})"
                    if key in wide.index
                    else ""
                )
            lines.append(f"| {basis} | `{figure}` | {' | '.join(cells)} |")
    worlds = table["world"].nunique()
    return TEXT.format(worlds=worlds, customers=CUSTOMERS, rows="\n".join(lines))


TEXT = """# How often the intervals of customer value hold

Measured by `make test-full` (`tests/python/test_value_coverage.py`) in {worlds} worlds of
{customers} customers who follow BG/NBD and Gamma-Gamma and leave, at the level of 95 %. In
brackets: the error of the measurement; customers of one world share a fit, so worlds are counted.

- **Expectation**: customers whose interval holds what they are truly expected to do.
- **Mean**: segments of half the customers in which the interval `segment_value` gives to the mean
  holds that of all customers there could be: with a model of what is expected of them, with a
  baseline of what they did in a year. It has in it the customers' spread and, where they share one,
  the fit's error; without that, 65 to 77 % would hold.
- **What came**: customers whose interval holds what they then bought. It is no promise: an interval
  of an expectation is none of what one customer does, and here is how far apart the two are.

With the last year as the baseline the expectation is that of customers who leave, while the
baseline takes them to go on. Of the segment's mean the interval is that of the mean, and says
nothing of one customer.

| basis | figure | expectation | mean | what came |
|---|---|---:|---:|---:|
{rows}

Of customers who do not leave, the baseline's interval holds the rate in 95 to 99 %, more often the
fewer the purchases: counts are whole numbers, and what a purchase that did not happen would have
brought is taken to be large.
"""
