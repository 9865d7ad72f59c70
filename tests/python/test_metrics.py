"""The SQL of every metric, rule and type, against implementations that share nothing with it.

Metrics are compared with scipy and numpy to 1e-9, the reading of text with Python's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rendering import CompilerError, evaluate, render
from scipy import stats
from unskewed import mean_of

SEED = 20260630
LEVELS = [0.8, 0.9, 0.95, 0.99]
quick = settings(max_examples=60, deadline=None, derandomize=True)


def close(expected: float | None, absolute: float = 1e-12) -> Any:
    """What equals `expected` to 1e-9 relative; null is null, never NaN."""
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=absolute)


def all_close(expected: Sequence[float | None]) -> list[Any]:
    return [close(value) for value in expected]


# --- ratio ---


def test_ratio_is_the_ratio_of_the_sums_not_the_mean_of_the_ratios() -> None:
    frame = pd.DataFrame({"clicks": [1, 0, 9], "impressions": [1, 10, 10]})
    found = evaluate({"ctr": render("ratio('sum(clicks)', 'sum(impressions)')")}, "frame", frame)
    assert found["ctr"] == [10 / 21]


def test_ratio_of_integers_and_decimals_is_not_cut_to_an_integer() -> None:
    found = evaluate(
        {"integers": render("ratio('1', '3')"), "decimals": render("ratio('1.00', '3.00')")},
        "(select 1)",
    )
    assert found == {"integers": [1 / 3], "decimals": [1 / 3]}


def test_ratio_over_zero_or_null_is_null() -> None:
    rows = "(values (1, 0), (0, 0), (1, null), (null, 1)) as pairs (upper, under)"
    found = evaluate({"ratio": render("ratio('upper', 'under')")}, rows)
    assert found["ratio"] == [None] * 4


# --- Wilson's interval ---


def wilson_bounds(pairs: Sequence[tuple[int, int]], level: float) -> list[tuple[Any, Any]]:
    frame = pd.DataFrame(pairs, columns=["successes", "n"])
    variables = {"confidence_level": level}
    found = evaluate(
        {
            "low": render("proportion_low('successes', 'n')", variables=variables),
            "high": render("proportion_high('successes', 'n')", variables=variables),
        },
        "frame",
        frame,
    )
    return list(zip(found["low"], found["high"], strict=True))


@st.composite
def successes_of_n(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 5_000))
    return draw(st.integers(0, n) | st.sampled_from([0, n])), n


@pytest.mark.parametrize("level", LEVELS)
@quick
@given(pairs=st.lists(successes_of_n(), min_size=1, max_size=5))
@example(pairs=[(0, 1), (1, 1), (0, 5_000), (5_000, 5_000)])
def test_proportion_interval_is_scipys_wilson_interval(
    level: float, pairs: list[tuple[int, int]]
) -> None:
    for (successes, n), (low, high) in zip(pairs, wilson_bounds(pairs, level), strict=True):
        expected = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
        assert (low, high) == (close(expected.low), close(expected.high))


@pytest.mark.parametrize("level", LEVELS)
def test_proportion_interval_holds_its_estimate_and_stays_between_0_and_1(level: float) -> None:
    sizes = [1, 2, 3, 7, 10, 49, 100, 333, 4_000, 20_000, 1_000_000, 3_000_000_000]
    pairs = [(k, n) for n in sizes for k in {0, 1, n // 3, n // 2, n - 1, n}]
    for (successes, n), (low, high) in zip(pairs, wilson_bounds(pairs, level), strict=True):
        assert 0 <= low <= successes / n <= high <= 1, (successes, n)


def test_proportion_interval_of_nothing_is_null() -> None:
    assert wilson_bounds([(0, 0)], 0.95) == [(None, None)]


# --- the interval of a mean ---

MEAN = "mean_with_interval('mean_value', 'n', 'sum_x', 'sum_xx', 'sum_xxx')"


def mean_columns(level: float, groups: Sequence[Sequence[float]]) -> dict[str, list[Any]]:
    frame = pd.DataFrame(
        [(len(x), *(float(np.sum(np.asarray(x, float) ** k)) for k in (1, 2, 3))) for x in groups],
        columns=["n", "sum_x", "sum_xx", "sum_xxx"],
    )
    rows = f"(select {render(MEAN, variables={'confidence_level': level})} from frame)"
    names = ("mean_value", "mean_value_low", "mean_value_high")
    return evaluate({name: name for name in names}, rows, frame)


@pytest.mark.parametrize("level", LEVELS)
def test_mean_interval_is_the_transformation_inverted(level: float) -> None:
    random = np.random.default_rng(SEED)
    groups = [random.lognormal(3, 1, size) for size in (2, 3, 10, 500, 20_000)]
    groups += [random.poisson(0.05, 400) for _ in range(3)]
    groups += [-random.lognormal(0, 0.5, 50) + 100]
    found = mean_columns(level, groups)
    for place, values in enumerate(groups):
        estimate = mean_of(np.asarray(values, dtype=float))
        low, high = estimate.interval(level)
        assert found["mean_value"][place] == close(estimate.value)
        assert found["mean_value_low"][place] == close(max(low, 0.0))
        assert found["mean_value_high"][place] == close(high)


@pytest.mark.parametrize("level", LEVELS)
def test_mean_interval_of_customers_that_are_not_skewed_is_scipys_normal_one(level: float) -> None:
    half = np.random.default_rng(SEED).normal(0, 1, 300)
    values = np.concatenate([50 + half, 50 - half])
    found = mean_columns(level, [values])
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    low, high = stats.norm.interval(level, loc=50, scale=error)
    assert found["mean_value_low"] == [close(low)]
    assert found["mean_value_high"] == [close(high)]


def test_mean_of_one_has_no_interval_and_mean_of_none_is_null() -> None:
    found = mean_columns(0.95, [[5.0], []])
    assert found["mean_value"] == [5.0, None]
    assert found["mean_value_low"] == [None, None]
    assert found["mean_value_high"] == [None, None]


def test_equal_values_have_an_interval_without_width() -> None:
    found = mean_columns(0.95, [[3.0, 3.0, 3.0], [0.0, 0.0]])
    assert found["mean_value_low"] == found["mean_value_high"] == [3.0, 0.0]


def test_interval_is_cut_at_its_limits_alone() -> None:
    expressions = {
        "low": render("interval_low('estimate', 'error', 0)"),
        "high": render("interval_high('estimate', 'error', 1)"),
        "free_low": render("interval_low('estimate', 'error')"),
        "free_high": render("interval_high('estimate', 'error')"),
    }
    found = evaluate(
        expressions, "(values (0.5e0, 1e0), (0.5e0, 0.01e0), (0.5e0, null)) t (estimate, error)"
    )
    z = float(stats.norm.ppf(0.975))
    assert found["low"] == all_close([0.0, 0.5 - 0.01 * z, None])
    assert found["high"] == all_close([1.0, 0.5 + 0.01 * z, None])
    assert found["free_low"] == all_close([0.5 - z, 0.5 - 0.01 * z, None])
    assert found["free_high"] == all_close([0.5 + z, 0.5 + 0.01 * z, None])


@pytest.mark.parametrize("level", LEVELS)
def test_interval_z_is_the_normal_quantile(level: float) -> None:
    found = float(render("interval_z()", variables={"confidence_level": level}))
    assert found == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=1e-14)


@pytest.mark.parametrize("level", [0.5, 95, 0, 1, "high", None])
@pytest.mark.parametrize(
    "call",
    [
        "proportion_low('a', 'n')",
        "proportion_high('a', 'n')",
        "interval_low('a', 'n')",
        "interval_high('a', 'n')",
        "mean_with_interval('a', 'n', 's', 'ss', 'sss')",
        "skewed_low('a', 'e', 'k')",
        "median_end('a', '-')",
        "engagement_rates()",
        "transaction_figures()",
    ],
)
def test_confidence_level_that_is_not_allowed_is_refused_in_a_sentence(
    level: object, call: str
) -> None:
    with pytest.raises(CompilerError) as refused:
        render(call, variables={"confidence_level": level})
    assert str(refused.value) == (
        f"dbt_project.yml, confidence_level: {level} is none; allowed are 0.8, 0.9, 0.95, 0.99."
    )


# --- the interval of a pooled ratio ---

RATIO_SUMS = ("n", "sum_y", "sum_x", "sum_yy", "sum_xx", "sum_xy")
RATIO_ERROR = f"ratio_standard_error({', '.join(repr(name) for name in RATIO_SUMS)})"


def ratio_sums(y: np.ndarray, x: np.ndarray) -> tuple[float, ...]:
    y, x = y.astype(float), x.astype(float)
    return (len(y), y.sum(), x.sum(), (y * y).sum(), (x * x).sum(), (x * y).sum())


def ratio_errors(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Any]:
    frame = pd.DataFrame([ratio_sums(y, x) for y, x in samples], columns=list(RATIO_SUMS))
    frame["n"] = frame["n"].astype("int64")
    return evaluate({"error": render(RATIO_ERROR)}, "frame", frame)["error"]


def overdispersed_customers(
    random: np.random.Generator, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Clicks and impressions of customers who each have a rate of their own, on average 0.1."""
    impressions = random.integers(1, 60, shape)
    return random.binomial(impressions, random.beta(0.5, 4.5, shape)), impressions


def linearised_error(y: np.ndarray, x: np.ndarray) -> float:
    residual = y - y.sum() / x.sum() * x
    n = len(y)
    return math.sqrt(n / (n - 1) * float(residual @ residual)) / float(x.sum())


def test_ratio_error_is_the_spread_of_the_linearised_residuals() -> None:
    random = np.random.default_rng(SEED)
    samples = [overdispersed_customers(random, (size,)) for size in (2, 3, 20, 500, 10_000)]
    samples += [(random.lognormal(4, 1, 300), random.poisson(3, 300) + 1) for _ in range(3)]
    expected = [linearised_error(y, x) for y, x in samples]
    assert ratio_errors(samples) == all_close(expected)


def test_ratio_error_agrees_with_the_bootstrap() -> None:
    random = np.random.default_rng(SEED)
    clicks, impressions = overdispersed_customers(random, (800,))
    drawn = random.integers(0, 800, (4_000, 800))
    ratios = clicks[drawn].sum(axis=1) / impressions[drawn].sum(axis=1)
    assert ratio_errors([(clicks, impressions)])[0] == pytest.approx(ratios.std(), rel=0.05)


def test_ratio_interval_covers_what_it_says_where_a_binomial_one_does_not() -> None:
    random = np.random.default_rng(SEED)
    clicks, impressions = overdispersed_customers(random, (2_000, 500))
    errors = np.array(ratio_errors(list(zip(clicks, impressions, strict=True))))
    shown = impressions.sum(axis=1)
    ratios = clicks.sum(axis=1) / shown
    z = stats.norm.ppf(0.975)
    binomial_errors = np.sqrt(ratios * (1 - ratios) / shown)
    assert 0.93 < np.mean(np.abs(ratios - 0.1) < z * errors) < 0.97
    assert np.mean(np.abs(ratios - 0.1) < z * binomial_errors) < 0.85


def test_ratio_error_of_one_customer_or_of_none_or_of_no_impressions_is_null() -> None:
    samples = [
        (np.array([1]), np.array([10])),
        (np.array([]), np.array([])),
        (np.array([0, 0, 0]), np.array([0, 0, 0])),
    ]
    assert ratio_errors(samples) == [None, None, None]


def test_error_of_unknown_sums_is_null_not_zero() -> None:
    unknown = f"(values (5, null, 10, null, 30, null)) t ({', '.join(RATIO_SUMS)})"
    assert evaluate({"error": render(RATIO_ERROR)}, unknown) == {"error": [None]}
    mean_error = render("mean_standard_error('n', 'sum_x', 'sum_xx')")
    assert evaluate({"error": mean_error}, unknown.replace("30", "null")) == {"error": [None]}


def test_ratio_error_of_customers_with_one_rate_is_zero_and_never_a_root_of_less() -> None:
    random = np.random.default_rng(SEED)
    samples = [(x / share, x) for share in (3, 7, 1.1) for x in random.lognormal(2, 1, (20, 50))]
    assert ratio_errors(samples) == [pytest.approx(0, abs=1e-8)] * 60


# --- spread, quantiles, ranks ---

CELLS = st.lists(
    st.lists(st.floats(0.01, 1e6).map(lambda value: round(value, 2)), min_size=1, max_size=30),
    min_size=1,
    max_size=5,
)


def long_frame(cells: Sequence[Sequence[float]]) -> pd.DataFrame:
    rows = [(cell, value) for cell, values in enumerate(cells) for value in values]
    return pd.DataFrame(rows, columns=["cell", "amount"])


@quick
@given(cells=CELLS)
def test_quantile_is_numpys_linear_percentile(cells: list[list[float]]) -> None:
    shares = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]
    expressions = {str(share): render(f"quantile('amount', {share})") for share in shares}
    found = evaluate(expressions, "frame group by cell order by cell", long_frame(cells))
    for share in shares:
        expected = [float(np.percentile(values, share * 100)) for values in cells]
        assert found[str(share)] == all_close(expected)


def test_quantile_of_decimals_is_interpolated_and_nulls_are_passed_over() -> None:
    rows = "(values (1.00), (2.00), (null)) t (amount)"
    typed = f"(select cast(amount as decimal(18, 2)) as amount from {rows})"
    assert evaluate({"q": render("quantile('amount', 0.25)")}, typed) == {"q": [1.25]}
    assert evaluate({"q": render("quantile('amount', 0.5)")}, f"{rows} where false") == {
        "q": [None]
    }


def test_coefficient_of_variation_is_the_sample_deviation_over_the_mean() -> None:
    random = np.random.default_rng(SEED)
    groups = [random.lognormal(3, 1, size) for size in (2, 10, 3_000)] + [random.poisson(0.1, 200)]
    frame = pd.DataFrame(
        [(len(x), x.sum(), (x.astype(float) ** 2).sum()) for x in groups], columns=["n", "s", "ss"]
    )
    found = evaluate({"cv": render("coefficient_of_variation('n', 's', 'ss')")}, "frame", frame)
    assert found["cv"] == all_close([float(stats.variation(x, ddof=1)) for x in groups])


def test_coefficient_of_variation_of_zeros_of_one_and_of_none_is_null() -> None:
    rows = "(values (3, 0, 0), (1, 5, 25), (0, null, null), (0, 0, 0)) t (n, s, ss)"
    found = evaluate({"cv": render("coefficient_of_variation('n', 's', 'ss')")}, rows)
    assert found["cv"] == [None] * 4


TIED = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30),
    min_size=1,
    max_size=4,
)


def spearman(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(set(left)) < 2 or len(set(right)) < 2:
        return None
    return float(stats.spearmanr(left, right).statistic)


@quick
@given(cells=TIED)
@example(cells=[[(1, 2)], [(1, 1), (1, 2)], [(0, 0), (5, 5)]])
def test_correlation_of_average_ranks_is_scipys_spearman_with_ties(
    cells: list[list[tuple[int, int]]],
) -> None:
    pairs = [(cell, *pair) for cell, values in enumerate(cells) for pair in values]
    frame = pd.DataFrame(pairs, columns=["cell", "a", "b"])
    ranked = (
        f"(select cell, {render('''average_rank('a', 'cell')''')} as left_rank, "
        f"{render('''average_rank('b', 'cell')''')} as right_rank from frame)"
    )
    found = evaluate(
        {"rho": render("correlation('left_rank', 'right_rank')")},
        f"{ranked} group by cell order by cell",
        frame,
    )
    expected = [spearman(*zip(*values, strict=True)) for values in cells]
    assert found["rho"] == all_close(expected)


def test_average_rank_is_scipys_rankdata() -> None:
    values = [3.0, 1.0, 3.0, 2.0, 2.0, 2.0, 9.0]
    frame = pd.DataFrame({"position": range(7), "a": values, "cell": 1})
    found = evaluate(
        {"rank": render("average_rank('a', 'cell')")}, "frame order by position", frame
    )
    assert found["rank"] == stats.rankdata(values).tolist()


def test_standardised_difference_counts_population_deviations() -> None:
    values = "(12, 10, 4e0), (8, 10, 4e0), (1, 1, 0e0), (null, 1, 1e0), (1, 2, null)"
    found = evaluate(
        {"d": render("standardised_difference('m', 'p', 'd')")}, f"(values {values}) t (m, p, d)"
    )
    assert found["d"] == [0.5, -0.5, None, None, None]


# --- rules ---


def test_cells_below_either_limit_are_small() -> None:
    rows = "(values (200, 20), (199, 20), (200, 19), (0, 0), (5000, null)) t (customers, events)"
    variables = {"small_cell_customers": 200, "small_cell_events": 20}
    rule = render("is_small_cell('customers', 'events')", variables=variables)
    assert evaluate({"small": rule}, rows)["small"] == [False, True, True, True, True]


def test_minors_are_younger_than_the_age_in_the_year_of_the_date() -> None:
    rows = "(values (2008), (2009), (2026), (1950), (null)) t (birth_year)"
    rule = render(
        "is_minor('birth_year', as_of)",
        as_of="date '2026-06-30'",
        variables={"minimum_marketing_age": 18},
    )
    assert evaluate({"minor": rule}, rows)["minor"] == [False, True, True, False, None]


# --- the sums and figures of the marts ---


def engagement_cells(rows: str) -> dict[str, list[Any]]:
    """Sums and rates of each cell of `rows`, as the engagement marts make them."""
    summed = f"(select cell, {render('engagement_sums()')} from {rows} group by cell)"
    with duckdb.connect() as connection:
        moments = f"(select *, {render('engagement_moments()')} from {summed})"
        query = f"select *, {render('engagement_rates()')} from {moments} order by cell"
        result = connection.execute(query)
        names = [column[0] for column in result.description]
        return dict(zip(names, map(list, zip(*result.fetchall(), strict=True)), strict=True))


ENGAGEMENT = (
    "t (cell, impression_count, openable_impression_count, open_count, click_count, "
    "conversion_count)"
)
AMOUNTS = "t (cell, transaction_count, total_amount)"


def test_cell_nobody_was_reached_in_has_zeros_and_no_rates() -> None:
    found = engagement_cells(f"(values ('none', null, null, null, null, null)) {ENGAGEMENT}")
    counts = [name for name in found if name.endswith(("_count", "_squared", "_sum"))]
    assert len(counts) >= 12
    assert {name: found[name] for name in counts} == {name: [0] for name in counts}
    rates = [
        name
        for name in found
        if name.removesuffix("_low").removesuffix("_high").endswith(("ctr", "_rate"))
    ]
    assert len(rates) == 12
    assert {name: found[name] for name in rates} == {name: [None] for name in rates}
    assert found["is_small_cell"] == [True]


def test_channel_without_opens_has_no_open_rate_and_its_other_rates() -> None:
    found = engagement_cells(
        f"(values ('a', 10, 0, null, 2, 0), ('a', 30, 0, null, 0, 1)) {ENGAGEMENT}"
    )
    assert found["open_count"] == found["open_rate"] == found["open_rate_high"] == [None]
    assert found["ctr"] == [2 / 40]
    assert found["mean_customer_ctr"] == [0.1]
    assert found["conversion_rate"] == [0.5]
    assert found["openable_customer_count"] == [0]


def test_one_customer_has_rates_without_intervals() -> None:
    found = engagement_cells(f"(values ('a', 10, 10, 5, 2, 0)) {ENGAGEMENT}")
    assert (found["ctr"], found["mean_customer_ctr"], found["open_rate"]) == ([0.2], [0.2], [0.5])
    for name in ("ctr", "mean_customer_ctr", "open_rate"):
        assert found[f"{name}_low"] == found[f"{name}_high"] == [None]


def test_conversions_above_clicks_leave_the_share_of_converted_customers_below_one() -> None:
    found = engagement_cells(
        f"(values ('a', 10, 0, null, 1, 7), ('a', 10, 0, null, 1, 2)) {ENGAGEMENT}"
    )
    assert (found["conversion_count"], found["conversion_rate"]) == ([9], [1.0])
    assert found["conversion_rate_high"] == [close(1.0)]


def transaction_cells(rows: str, *inputs: object) -> dict[str, list[Any]]:
    """Sums and figures over customers, as the transaction marts make them."""
    ranked = f"({render('with_ranks(relation, cell)', relation='moved', cell=['cell'])})"
    sums = render("customer_amount_sums(customers, active)", customers="cells", active="active")
    cell_hash = render("hash_of(['cells.cell'])")
    summed = (
        f"(select cells.cell, {sums}, cast(null as double) as transaction_amounts_squared"
        " from (select cell, count(*) as customer_count from rows group by cell) as cells"
        f" left join (select cell_hash, {render('active_amount_sums()')} from {ranked} as ranked"
        f" group by cell_hash) as active on active.cell_hash = {cell_hash})"
    )
    with duckdb.connect() as connection:
        for value in inputs:
            connection.register("frame", value)
        result = connection.execute(
            f"with rows as (select * from {rows}), "
            "moved as (select * from rows where transaction_count > 0), "
            f"summed as {summed}, "
            f"moments as (select cell, {render('transaction_moments()')} from summed) "
            f"select summed.*, {render('transaction_figures()')} "
            "from summed join moments using (cell) order by cell"
        )
        names = [column[0] for column in result.description]
        return dict(zip(names, map(list, zip(*result.fetchall(), strict=True)), strict=True))


def test_customers_without_a_transaction_count_as_zeros_but_not_among_the_active() -> None:
    values = "('a', 0, 0.00), ('a', 2, 30.00), ('a', 0, 0.00), ('a', 1, 10.00)"
    found = transaction_cells(f"(values {values}) {AMOUNTS}")
    assert found["customer_count"] == [4]
    assert found["active_customer_count"] == [2]
    assert found["amount_per_customer"] == [10.0]
    assert found["amount_per_customer_median"] == [5.0]
    assert found["amount_per_active_customer"] == [20.0]
    assert found["amount_per_active_customer_median"] == [20.0]
    assert found["amount_per_transaction"] == [close(40 / 3)]
    assert found["count_total_rank_correlation"] == [close(1.0)]


def test_cell_without_a_transaction_has_zeros_and_no_means_per_active_customer() -> None:
    found = transaction_cells(f"(values ('a', 0, 0.00), ('a', 0, 0.00)) {AMOUNTS}")
    assert found["amount_per_customer"] == found["amount_per_customer_high"] == [0.0]
    for name in (
        "amount_per_active_customer",
        "amount_per_active_customer_low",
        "amount_per_active_customer_median",
        "amount_per_active_customer_cv",
        "amount_per_customer_cv",
        "amount_per_transaction",
        "amount_per_transaction_low",
        "amount_per_transaction_high",
        "count_total_rank_correlation",
        "count_mean_rank_correlation",
    ):
        assert found[name] == [None], name


def test_ranks_are_taken_among_the_active_customers_of_a_cell() -> None:
    random = np.random.default_rng(SEED)
    count = random.poisson(1.2, 400)
    amount = np.where(count > 0, np.round(random.lognormal(2, 1, 400), 1), 0.0)
    frame = pd.DataFrame(
        {"cell": random.integers(0, 3, 400), "transaction_count": count, "total_amount": amount}
    )
    found = transaction_cells("frame", frame)
    active = frame[frame["transaction_count"] > 0]
    for place, (_, own) in enumerate(active.groupby("cell")):
        mean = own["total_amount"] / own["transaction_count"]
        total_rho = stats.spearmanr(own["transaction_count"], own["total_amount"]).statistic
        mean_rho = stats.spearmanr(own["transaction_count"], mean).statistic
        assert found["count_total_rank_correlation"][place] == close(float(total_rho))
        assert found["count_mean_rank_correlation"][place] == close(float(mean_rho))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 10**6), max_size=60),
    st.integers(0, 60),
)
def test_quantiles_of_values_and_counted_zeros_are_those_of_all(
    amounts: list[int], zeros: int
) -> None:
    everyone = [0] * zeros + amounts or [0]
    rows = ", ".join(f"('a', {int(value > 0)}, {value}.00)" for value in everyone)
    found = transaction_cells(f"(values {rows}) {AMOUNTS}")
    for name, values in {"customer": everyone, "active_customer": amounts}.items():
        for figure, share in {"p25": 0.25, "median": 0.5, "p75": 0.75}.items():
            expected = float(np.quantile(values, share)) if values else None
            got = found[f"amount_per_{name}_{figure}"][0]
            assert got == (None if expected is None else close(expected)), (name, figure)
        ends = [found[f"amount_per_{name}_median_{end}"][0] for end in ("low", "high")]
        rank = math.floor((len(values) + 1 - stats.norm.ppf(0.975) * math.sqrt(len(values))) / 2)
        if rank < 1:
            assert ends == [None, None]
        else:
            assert ends == [sorted(values)[rank - 1], sorted(values)[-rank]]


# --- types: text as it is handed in ---

SPACES = " \t\n\r"
Reading = Callable[[str], Any]


def read_integer(text: str) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]+", text.strip(SPACES)):
        return None
    number = int(text.strip(SPACES))
    return number if -(2**63) <= number < 2**63 else None


def number_text(text: str, mark: str, exponent: str = "") -> str | None:
    text = text.strip(SPACES)
    mark = re.escape(mark)
    pattern = rf"[+-]?([0-9]+({mark}[0-9]*)?|{mark}[0-9]+){exponent}"
    return text.replace(mark[-1], ".") if re.fullmatch(pattern, text) else None


def read_decimal(text: str, mark: str = ".", scale: int = 2) -> Decimal | None:
    number = number_text(text, mark)
    if number is None:
        return None
    # As a whole number of the last unit, so that no precision of a context cuts any digit.
    whole, _, fraction = number.lstrip("+-").partition(".")
    kept, rest = fraction[:scale].ljust(scale, "0"), fraction[scale:]
    units = int((whole + kept) or "0") + (rest[:1] >= "5")
    if units >= 10**18:
        return None
    return Decimal(-units if number.startswith("-") else units).scaleb(-scale)


def read_double(text: str, mark: str = ".") -> float | None:
    number = number_text(text, mark, exponent="([eE][+-]?[0-9]+)?")
    return None if number is None or abs(float(number)) >= 1e300 else float(number)


def read_boolean(text: str) -> bool | None:
    text = text.strip(SPACES).lower()
    if text in ("true", "t", "yes", "y", "1", "on"):
        return True
    return False if text in ("false", "f", "no", "n", "0", "off") else None


def read_date(text: str) -> str | None:
    pattern = r"([0-9]{4}-[0-9]{2}-[0-9]{2})([ T]00:00(:00(\.0+)?)?)?"
    found = re.fullmatch(pattern, text.strip(SPACES))
    try:
        return date.fromisoformat(found[1]).isoformat() if found else None
    except ValueError:
        return None


def read_timestamp(text: str, zone: str = "UTC") -> str | None:
    found = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
        r"(?:[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
        r"(?: ?(?:(Z)|([+-])([0-9]{2})(?::([0-9]{2}))?))?)?",
        text.strip(SPACES),
    )
    if not found:
        return None
    day, hour, minute, second, fraction, is_utc, sign, offset_hour, offset_minute = found.groups()
    try:
        moment = datetime.combine(date.fromisoformat(day), datetime.min.time()).replace(
            hour=int(hour or 0),
            minute=int(minute or 0),
            second=int(second or 0),
            microsecond=int((fraction or "0")[:6].ljust(6, "0")),
        )
        offset = timedelta(hours=int(offset_hour or 0), minutes=int(offset_minute or 0))
        if int(offset_minute or 0) > 59:
            return None
        if is_utc or sign:
            own_zone = timezone(-offset if sign == "-" else offset)
            moment = moment.replace(tzinfo=own_zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(" ")


def iso_text(expression: str) -> str:
    return f"strftime({expression}, '%Y-%m-%d %H:%M:%S.%f')"


def padded(moment: str | None) -> str | None:
    """A timestamp with six digits of a second, as `iso_text` writes it."""
    return None if moment is None else moment if "." in moment else f"{moment}.000000"


HOSTILE = [
    "", " ", "\t", "0", "-0", "+5", "5.", ".5", ".", "-", "+", "--5", "+-5", "1e5", "1E-5", "1e400",
    "-1e400", "e5", "1_000", "1,000", "1,5", "1.5", "12.7", "0x10", "0b1", "infinity", "-inf",
    "Inf", "nan", "NaN", "null", "NULL", "N/A", "true", " TRUE ", "T", "yes", "y", "On", "off",
    "wahr",
    "\u0665", "\uff15", "\u00b2", "1\u00a0000", "\u00a05", "5\u2003", "5\n", "\r\n5", "5\n6",
    "5\x00", "\x005", "\x0b5", "'5'", '"5"', "5'; drop table t; --", "=1+1", "5 000",
    "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1" * 60, "0" * 60 + "1",
    "0." + "9" * 60, "9999999999999999.99", "9999999999999999.994", "9999999999999999.995", "1.005",
    "-1.005", "0.005", "0.004999999999999999999", "1." + "2" * 80, "1e308", "1e299", "4.9e-324",
    "2026-01-31", "2026-02-30", "2024-02-29", "2025-02-29", "0000-01-01", "0001-01-01",
    "0999-12-31", "1000-01-01", "9999-12-31",
    "10000-01-01", "2026-1-5", "26-01-05", "31.01.2026", "01/31/2026", "20260131", "epoch", "today",
    "now", "2026-01-31 00:00", "2026-01-31T00:00:00", "2026-01-31 00:00:00.000", "2026-01-31 10:00",
    "2026-01-31T23:59:59", "2026-01-31 23:59:60", "2026-01-31 24:00:00", "2026-01-31 25:00:00",
    "2026-01-31 10:60:00", "2026-01-31 10:00:00.1", "2026-01-31 10:00:00.123456789",
    "2026-01-31 23:59:59.9999999", "2026-01-31 10:00:00Z", "2026-01-31T10:00:00Z",
    "2026-01-31 10:00:00 Z", "2026-01-31T10:00Z", "2026-01-31 10:00+02:00",
    "2026-01-31 10:00:00+02", "2026-01-31 10:00:00 +02:00", "2026-01-31T10:00:00.25-05:30",
    "2026-01-31 10:00:00+0200", "2026-01-31 10:00:00+23:59", "2026-01-31 10:00:00+24:00",
    "2026-01-31 10:00:00-99:00", "2026-01-31 10:00:00+01:75", "2026-01-31Z", "2026-01-31 +02:00",
    "2026-03-29 00:30:00Z", "2026-03-29 01:30:00Z", "2026-10-25 00:30:00Z", "2026-10-25 01:30:00Z",
    "2026-01-31 10:00:00 Europe/Paris", "0001-01-01 00:00:00Z", "9999-12-31 23:59:59Z",
    "294247-01-10 04:00:54.775807", "290309-12-22 (BC)", "5877642-06-25", "infinity ", "-infinity",
]  # fmt: skip

CHARACTERS = st.characters(exclude_categories=["Cs"])
ALPHABET = st.sampled_from(list("0123456789+-.,eE_:TZ \t\n\x00x'infatrueyos"))
LOOKALIKES = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(ALPHABET, max_size=30),
    st.text(CHARACTERS, max_size=12),
    st.from_regex(r"\A[ \t]?[+-]?[0-9]{0,25}[.,]?[0-9]{0,25}([eE][+-]?[0-9]{1,4})?\n?\Z"),
    st.from_regex(r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]\Z"),
    st.from_regex(
        r"\A(1[89]|20)[0-9]{2}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9]"
        r"(:[0-6][0-9](\.[0-9]{1,10})?)?( ?(Z|[+-][0-2][0-9](:[0-6][0-9])?))?\Z"
    ),
    st.datetimes(timezones=st.just(UTC)).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.decimals(allow_nan=False, places=3).map(str),
)
TEXT_COLUMN: dict[str, Any] = {"name": "file", "types": {}, "absent": []}
TEXT_ROWS = "(select struct_pack(c := unnest($1)) as raw_row)"


def readings_of(texts: list[str], calls: dict[str, str], **options: Any) -> dict[str, list[Any]]:
    expressions = {
        name: render(call, source=TEXT_COLUMN, **options) for name, call in calls.items()
    }
    if "timestamp" in expressions:
        expressions["timestamp"] = iso_text(expressions["timestamp"])
    if "date" in expressions:
        expressions["date"] = f"cast({expressions['date']} as varchar)"
    return evaluate(expressions, TEXT_ROWS, texts)


def assert_read(texts: list[str], found: list[Any], reading: Reading) -> None:
    wrong = [
        (text, value, reading(text))
        for text, value in zip(texts, found, strict=True)
        if value != reading(text) or type(value) is not type(reading(text))
    ]
    assert not wrong, "text, as SQL reads it, as Python reads it: " + repr(wrong[:5])


def assert_texts_are_read_as_python_reads_them(texts: list[str]) -> None:
    found = readings_of(
        texts,
        {
            "integer": "to_integer(source, 'c')",
            "decimal": "to_decimal(source, 'c')",
            "precise": "to_decimal(source, 'c', scale=6)",
            "double": "to_double(source, 'c')",
            "boolean": "to_boolean(source, 'c')",
            "date": "to_date(source, 'c')",
            "timestamp": "to_timestamp(source, 'c')",
        },
    )
    assert_read(texts, found["integer"], read_integer)
    assert_read(texts, found["decimal"], read_decimal)
    assert_read(texts, found["precise"], lambda text: read_decimal(text, scale=6))
    assert_read(texts, found["double"], read_double)
    assert_read(texts, found["boolean"], read_boolean)
    assert_read(texts, found["date"], read_date)
    assert_read(texts, found["timestamp"], lambda text: padded(read_timestamp(text)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_as_python_reads_it_or_not_at_all(text: str) -> None:
    assert_texts_are_read_as_python_reads_them([text])


@settings(quick, max_examples=150)
@given(texts=st.lists(LOOKALIKES, min_size=1, max_size=20))
def test_any_text_is_read_as_python_reads_it_or_not_at_all(texts: list[str]) -> None:
    assert_texts_are_read_as_python_reads_them(texts)


def assert_numbers_are_read_with_a_comma(texts: list[str]) -> None:
    calls = {"decimal": "to_decimal(source, 'c')", "double": "to_double(source, 'c')"}
    found = readings_of(texts, calls, environment={"RAW_FORMAT": '{decimal: ","}'})
    assert_read(texts, found["decimal"], lambda text: read_decimal(text, mark=","))
    assert_read(texts, found["double"], lambda text: read_double(text, mark=","))


def test_hostile_numbers_with_a_decimal_comma_are_read_with_it_alone() -> None:
    assert_numbers_are_read_with_a_comma(HOSTILE)


@quick
@given(texts=st.lists(LOOKALIKES, min_size=1, max_size=20))
def test_numbers_with_a_decimal_comma_are_read_with_it_alone(texts: list[str]) -> None:
    assert_numbers_are_read_with_a_comma(texts)


MOMENTS = st.datetimes(
    datetime(1971, 1, 1), datetime(2036, 12, 31), timezones=st.timezones().filter(bool)
).map(lambda moment: moment.isoformat(" "))


def assert_moments_are_converted(texts: list[str], zone: str) -> None:
    calls = {"timestamp": "to_timestamp(source, 'c')"}
    found = readings_of(texts, calls, variables={"time_zone": zone})
    assert_read(texts, found["timestamp"], lambda text: padded(read_timestamp(text, zone)))


ZONES = ["Europe/Paris", "America/New_York", "Asia/Kolkata"]


@pytest.mark.parametrize("zone", ZONES)
@quick
@given(texts=st.lists(MOMENTS, min_size=1, max_size=20))
def test_offsets_are_converted_to_the_zone_of_the_warehouse(zone: str, texts: list[str]) -> None:
    assert_moments_are_converted(texts, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_hostile_moments_are_converted_or_not_read(zone: str) -> None:
    # Years in which no zone had an offset of today's kind are left to the test in UTC.
    texts = [text for text in HOSTILE if text[:4] not in ("0001", "1000", "9999")]
    assert_moments_are_converted(texts, zone)


DAY_FIRST = {"RAW_FORMAT": '{date: "%d.%m.%Y"}'}


def day_first(texts: list[str]) -> list[Any]:
    return readings_of(texts, {"date": "to_date(source, 'c')"}, environment=DAY_FIRST)["date"]


def test_dates_of_another_format_are_read_by_it() -> None:
    texts = ["31.01.2026", " 29.02.2024\n", "01.12.1999"]
    assert day_first(texts) == ["2026-01-31", "2024-02-29", "1999-12-01"]


@quick
@given(texts=st.lists(LOOKALIKES, min_size=1, max_size=20))
@example(texts=["31.02.2026", "2026-01-31", "1.1.26", "31.01.2026 10:00", "infinity", "epoch"])
def test_text_in_no_given_format_is_no_date(texts: list[str]) -> None:
    def reading(text: str) -> str | None:
        found = re.fullmatch(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", text.strip(SPACES))
        try:
            return date(int(found[3]), int(found[2]), int(found[1])).isoformat() if found else None
        except ValueError:
            return None

    found = day_first(texts)
    assert_read(
        [text for text, day in zip(texts, found, strict=True) if day],
        [day for day in found if day],
        reading,
    )


def assert_text_is_kept(texts: list[str]) -> None:
    calls = {
        "text": "to_text(source, 'c')",
        "code": "to_code(source, 'c')",
        "given": "is_given(source, 'c')",
    }
    found = readings_of(texts, calls)
    stripped = [text.strip(SPACES) for text in texts]
    assert found["text"] == [text or None for text in stripped]
    assert found["given"] == [bool(text) for text in stripped]
    for text, code in zip(stripped, found["code"], strict=True):
        # Engines differ in the lower case of other alphabets.
        assert not text.isascii() or code == (text.lower() or None)


@quick
@given(texts=st.lists(LOOKALIKES, min_size=1, max_size=20))
def test_text_is_kept_but_for_the_spaces_around_it(texts: list[str]) -> None:
    assert_text_is_kept(texts)


def test_hostile_text_is_kept_but_for_the_spaces_around_it() -> None:
    assert_text_is_kept(HOSTILE)


def test_null_is_null_in_every_type() -> None:
    for macro in ("text", "code", "integer", "decimal", "double", "boolean", "date", "timestamp"):
        call = render(f"to_{macro}(source, 'c')", source=TEXT_COLUMN)
        rows = "(select struct_pack(c := cast(null as varchar)) as raw_row)"
        assert evaluate({"value": call}, rows) == {"value": [None]}, macro


# --- types: columns that have one already ---


def typed(column_type: str, value: str, macro: str, **options: Any) -> Any:
    """What a macro makes of `value` in a column of `column_type`."""
    source = {"name": "file", "types": {"c": column_type.lower()}, "absent": []}
    call = render(f"to_{macro}(source, 'c')", source=source, **options)
    rows = f"(select struct_pack(c := cast({value} as {column_type})) as raw_row)"
    return evaluate({"value": call}, rows)["value"][0]


@pytest.mark.parametrize(
    ("column_type", "value", "macro", "expected"),
    [
        ("INTEGER", "7", "integer", 7),
        ("INTEGER", "7", "decimal", Decimal("7.00")),
        ("INTEGER", "7", "double", 7.0),
        ("INTEGER", "7", "text", "7"),
        ("INTEGER", "1", "boolean", True),
        ("INTEGER", "0", "boolean", False),
        ("INTEGER", "2", "boolean", None),
        ("INTEGER", "20260131", "date", None),
        ("UTINYINT", "255", "integer", 255),
        ("UBIGINT", "18446744073709551615", "integer", None),
        ("HUGEINT", "170141183460469231731687303715884105727", "integer", None),
        ("HUGEINT", "12", "integer", 12),
        ("UHUGEINT", "12", "double", 12.0),
        ("HUGEINT", "170141183460469231731687303715884105727", "decimal", None),
        ("DOUBLE", "12.0", "integer", 12),
        ("DOUBLE", "12.7", "integer", None),
        ("DOUBLE", "1e30", "integer", None),
        ("DOUBLE", "'nan'", "integer", None),
        ("DOUBLE", "'inf'", "integer", None),
        ("DOUBLE", "12.345", "decimal", Decimal("12.35")),
        ("DOUBLE", "'nan'", "decimal", None),
        ("DOUBLE", "'-inf'", "decimal", None),
        ("DOUBLE", "1e30", "decimal", None),
        ("DOUBLE", "0.25", "double", 0.25),
        ("DOUBLE", "'nan'", "double", None),
        ("DOUBLE", "'inf'", "double", None),
        ("DOUBLE", "'-inf'", "double", None),
        ("DOUBLE", "1012.0", "text", "1012"),
        ("DOUBLE", "12.5", "text", "12.5"),
        ("DOUBLE", "1.0", "boolean", True),
        ("FLOAT", "2.5", "double", 2.5),
        ("FLOAT", "'nan'", "double", None),
        ("DECIMAL(18, 2)", "12.34", "decimal", Decimal("12.34")),
        ("DECIMAL(38, 10)", "12.345", "decimal", Decimal("12.35")),
        ("DECIMAL(38, 0)", "99999999999999999999999999999999999999", "decimal", None),
        ("DECIMAL(38, 0)", "99999999999999999999999999999999999999", "integer", None),
        ("DECIMAL(10, 2)", "12.00", "integer", 12),
        ("DECIMAL(10, 2)", "12.70", "integer", None),
        ("DECIMAL(10, 2)", "12.70", "double", 12.7),
        ("DATE", "'2026-01-31'", "date", date(2026, 1, 31)),
        ("DATE", "'2026-01-31'", "timestamp", datetime(2026, 1, 31)),
        ("DATE", "'2026-01-31'", "text", "2026-01-31"),
        ("DATE", "'2026-01-31'", "integer", None),
        ("DATE", "'5877642-06-25 (BC)'", "timestamp", None),
        ("TIMESTAMP", "'2026-01-31 23:59:59'", "timestamp", datetime(2026, 1, 31, 23, 59, 59)),
        ("TIMESTAMP", "'2026-01-31 23:59:59'", "date", date(2026, 1, 31)),
        ("TIMESTAMP_S", "'2026-01-31 23:59:59'", "timestamp", datetime(2026, 1, 31, 23, 59, 59)),
        ("TIMESTAMP_MS", "'2026-01-31 23:59:59'", "date", date(2026, 1, 31)),
        ("TIMESTAMP_NS", "'2026-01-31 23:59:59'", "timestamp", datetime(2026, 1, 31, 23, 59, 59)),
        (
            "TIMESTAMP WITH TIME ZONE",
            "'2026-01-31 23:30:00+00'",
            "timestamp",
            datetime(2026, 1, 31, 23, 30),
        ),
        ("TIMESTAMP WITH TIME ZONE", "'2026-01-31 23:30:00+00'", "date", date(2026, 1, 31)),
        ("BOOLEAN", "true", "boolean", True),
        ("BOOLEAN", "false", "boolean", False),
        ("BOOLEAN", "true", "text", "true"),
        ("BOOLEAN", "true", "integer", None),
    ],
)
def test_typed_columns_keep_their_values(
    column_type: str, value: str, macro: str, expected: object
) -> None:
    found = typed(column_type, value, macro)
    assert found == expected
    assert type(found) is type(expected)


def test_typed_timestamps_with_a_zone_are_converted_to_that_of_the_warehouse() -> None:
    moment = ("TIMESTAMP WITH TIME ZONE", "'2026-01-31 23:30:00+00'")
    variables = {"time_zone": "Europe/Paris"}
    assert typed(*moment, "timestamp", variables=variables) == datetime(2026, 2, 1, 0, 30)
    assert typed(*moment, "date", variables=variables) == date(2026, 2, 1)


TYPED_VALUES = {
    "TINYINT": "(-128), (127), (0), (null)",
    "BIGINT": "(-9223372036854775808), (9223372036854775807), (0)",
    "HUGEINT": "(170141183460469231731687303715884105727), (-5)",
    "UBIGINT": "(18446744073709551615), (5)",
    "DOUBLE": "('nan'), ('inf'), ('-inf'), ('-0.0'), ('1e308'), ('-1e308'), ('5e-324'), (null)",
    "FLOAT": "('nan'), ('inf'), ('3.4e38'), ('0.1')",
    "DECIMAL(38, 10)": "('9999999999999999999999999999'), ('-0.0000000001')",
    "DECIMAL(18, 2)": "('9999999999999999.99'), ('-9999999999999999.99')",
    "BOOLEAN": "(true), (false), (null)",
    "DATE": "('infinity'), ('-infinity'), ('5881580-07-10'), ('5877642-06-25 (BC)'), (null)",
    "TIMESTAMP": "('infinity'), ('-infinity'), ('294247-01-10 04:00:54.775806'), (null)",
    "TIMESTAMP_S": "('2026-01-31'), ('290000-01-01'), ('infinity')",
    "TIMESTAMP_NS": "('2026-01-31 10:00:00.123456789'), ('2262-04-11')",
    "TIMESTAMP WITH TIME ZONE": "('infinity'), ('-infinity'), ('294247-01-10 04:00:54+00')",
    "TIME": "('23:59:59')",
    "INTERVAL": "('3 days')",
    "UUID": "('0b0d2f7e-3c1a-4f0e-9a35-1f2c3d4e5f60')",
    "BLOB": "('\\xFF\\x00')",
    "VARCHAR[]": "(['a'])",
}


@pytest.mark.parametrize("column_type", TYPED_VALUES)
@pytest.mark.parametrize(
    "macro", ["text", "code", "integer", "decimal", "double", "boolean", "date", "timestamp"]
)
def test_no_value_of_any_type_is_an_error(column_type: str, macro: str) -> None:
    source = {"name": "file", "types": {"c": column_type.lower()}, "absent": []}
    call = render(f"to_{macro}(source, 'c')", source=source)
    values = TYPED_VALUES[column_type]
    rows = (
        f"(select struct_pack(c := cast(value as {column_type})) as raw_row "
        f"from (values {values}) t (value))"
    )
    found = evaluate({"value": f"cast({call} as varchar)"}, rows)
    assert len(found["value"]) == len(re.findall(r"\(", values)) - values.count("(BC)")


def test_values_out_of_range_are_null() -> None:
    rows = "(values (-1), (0), (5), (10), (11), (null)) t (x)"
    found = evaluate(
        {
            "both": render("within('x', 0, 10)"),
            "low": render("within('x', 0)"),
            "high": render("within('x', high=10)"),
        },
        rows,
    )
    assert found["both"] == [None, 0, 5, 10, None, None]
    assert found["low"] == [None, 0, 5, 10, 11, None]
    assert found["high"] == [-1, 0, 5, 10, None, None]
