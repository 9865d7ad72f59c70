"""The SQL of p-values, differences, cells and verdicts, against implementations that share nothing
with it: scipy where it has the method, formulas of the named papers written with numpy elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendering import CompilerError, evaluate, project_vars, render
from scipy import stats
from unskewed import Estimate, mean_of, ratio_of

SEED = 20260630
Z = float(stats.norm.ppf(0.975))
quick = settings(max_examples=40, deadline=None, derandomize=True)


def close(expected: float | None, relative: float = 1e-9, absolute: float = 1e-12) -> Any:
    """What equals `expected`; null is null, never NaN."""
    if expected is None or math.isnan(expected):
        return None
    return pytest.approx(expected, rel=relative, abs=absolute)


def one(expression: str) -> Any:
    return evaluate({"found": expression}, "(select 1)")["found"][0]


# --- two-sided p ---


def two_sided(deviates: Sequence[float | None]) -> list[float | None]:
    frame = pd.DataFrame({"z": pd.array(deviates, dtype="Float64")})
    return evaluate({"p": render("two_sided_p('z')")}, "frame", frame)["p"]


def test_two_sided_p_equals_scipy_within_eight_errors() -> None:
    deviates = [*np.linspace(-8, 8, 401), 7.07106781, 7.0710679, -7.07106781, -7.0710679]
    expected = 2 * stats.norm.sf(np.abs(deviates))
    assert two_sided(deviates) == [close(p, 1e-7, 0) for p in expected]


def test_two_sided_p_is_as_good_as_nothing_far_out() -> None:
    deviates = [8.0, 9.5, 12.0, -20.0, 36.9, 37.1, -38.0]
    expected = 2 * stats.norm.sf(np.abs(deviates))
    found = two_sided(deviates)
    assert found == [close(p, 0, 1e-15) for p in expected]
    assert two_sided([40.0, -40.0, 1e6]) == [0.0, 0.0, 0.0]


def test_two_sided_p_of_nothing_is_null() -> None:
    assert two_sided([None, 0.0]) == [None, close(1.0)]


# --- Benjamini-Hochberg ---


def adjusted(frame: pd.DataFrame) -> list[float | None]:
    relation = render("adjusted_p('p', 'family', 'frame')")
    rows = f"({relation}) as adjusted order by line"
    return evaluate({"adjusted": "adjusted_p"}, rows, frame)["adjusted"]


def adjusted_by_scipy(frame: pd.DataFrame) -> list[Any]:
    expected = pd.Series(np.nan, index=frame.index)
    for _, family in frame.groupby("family"):
        known = family["p"].dropna().astype(float)
        if len(known):
            expected[known.index] = stats.false_discovery_control(known)
    return [close(value) for value in expected]


def families(values: Sequence[tuple[str, float | None]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "line": range(len(values)),
            "family": [family for family, _ in values],
            "p": pd.array([p for _, p in values], dtype="Float64"),
        }
    )


tied_p = st.sampled_from([None, 0.0, 0.001, 0.01, 0.02, 0.04, 0.5, 1.0])
any_p = st.one_of(tied_p, st.floats(0, 1, allow_subnormal=False))


@quick
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), any_p), min_size=1, max_size=40))
def test_adjusted_p_equals_scipy_per_family(values: list[tuple[str, float | None]]) -> None:
    frame = families(values)
    assert adjusted(frame) == adjusted_by_scipy(frame)


def test_adjusted_p_of_many_skewed_p_equals_scipy() -> None:
    rng = np.random.default_rng(SEED)
    values = [
        (str(rng.integers(5)), None if rng.random() < 0.1 else float(rng.beta(0.2, 1)))
        for _ in range(2000)
    ]
    frame = families(values)
    assert adjusted(frame) == adjusted_by_scipy(frame)


def test_a_test_elsewhere_turns_no_adjusted_p() -> None:
    values: list[tuple[str, float | None]] = [("a", 0.01), ("a", 0.04), ("a", None)]
    alone = adjusted(families(values))
    assert adjusted(families([*values, ("b", 0.9), ("b", 0.8)]))[:3] == alone


# --- cells, rolled up ---


def cells_of(customers: pd.DataFrame, kind: str) -> pd.DataFrame:
    squares = customers.assign(
        customer_count=1,
        carrier_count=(customers["y"] > 0).astype(int),
        sum_root_y=np.sqrt(customers["y"]),
        **{
            f"sum_{powers}": math.prod(customers[name].astype(float) for name in powers)
            for powers in ("y", "x", "yy", "xx", "xy", "yyy", "yyx", "yxx", "xxx")
        },
    )
    sums = render("cell_sums() | join(' ')").split()
    cells = squares.groupby(["segmentation", "segment_id", "region"], as_index=False)[sums].sum()
    return cells.assign(kind=kind)


FIGURES = ("customer_count", "estimate", "low", "high")


def directly(customers: pd.DataFrame, kind: str) -> dict[str, float]:
    """The figures of one group from its customers."""
    y, x = (customers[name].to_numpy(float) for name in ("y", "x"))
    if kind == "proportion":
        value, ends = y.mean(), wilson(int(y.sum()), len(y))
    else:
        estimate = ratio_of(y, x) if kind == "ratio" else mean_of(y)
        value, ends = estimate.value, estimate.interval()
    return dict(zip(FIGURES, (len(y), value, *ends), strict=True))


def rolled_figures(
    customers: pd.DataFrame, kind: str, over: list[str], keep: list[str]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    rolled = render("rolled_up('frame', over, keep)", over=over, keep=[*keep, "kind"])
    figures = f"(select *, {render('cell_figures()')} from ({rolled}) as rolled) as figures"
    expressions = {name: name for name in (*keep, "customer_count", "estimate")}
    expressions |= {"low": render("cell_low()"), "high": render("cell_high()")}
    found = evaluate(expressions, figures, cells_of(customers, kind))
    rows = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    return {tuple(row[name] for name in keep): row for row in rows}


def assert_rolled_up_as_directly(customers: pd.DataFrame, kind: str) -> None:
    for over, keep in [
        (["region"], ["segmentation", "segment_id"]),
        (["segment_id"], ["segmentation", "region"]),
        (["segment_id", "region"], ["segmentation"]),
    ]:
        found = rolled_figures(customers, kind, over, keep)
        groups = dict(iter(customers.groupby(keep)))
        assert found.keys() == groups.keys()
        for key, group in groups.items():
            expected = directly(group, kind)
            # The root magnifies the rounding of an error that is zero.
            rounding = 1e-9 if len(group) > 1 and group["y"].nunique() > 1 else 1e-6
            assert {name: found[key][name] for name in FIGURES} == {
                name: close(value, 1e-9, rounding) for name, value in expected.items()
            }, (kind, keep, key)


customer_rows = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(["north", "south"]),
        st.integers(0, 30),
        st.integers(0, 100),
    ),
    min_size=1,
    max_size=60,
)


@quick
@given(customer_rows, st.sampled_from(["ratio", "mean", "proportion"]))
def test_rolled_up_cells_give_what_their_customers_give(
    rows: list[tuple[int, str, int, int]], kind: str
) -> None:
    customers = pd.DataFrame(rows, columns=["segment_id", "region", "y", "x"])
    customers = customers.assign(segmentation="behaviour")
    if kind == "ratio":
        customers["y"] = customers[["y", "x"]].min(axis=1)
    if kind == "proportion":
        customers["y"] = (customers["y"] > 15).astype(int)
    assert_rolled_up_as_directly(customers, kind)


@pytest.mark.parametrize("kind", ["ratio", "mean"])
def test_rolled_up_cells_of_skewed_customers_give_what_the_customers_give(kind: str) -> None:
    rng = np.random.default_rng(SEED)
    customers = pd.DataFrame(
        {
            "segmentation": "behaviour",
            "segment_id": rng.integers(1, 5, 3000),
            "region": rng.choice(["north", "south", "west"], 3000),
            "y": rng.lognormal(3, 1.5, 3000),
            "x": rng.integers(1, 200, 3000),
        }
    )
    assert_rolled_up_as_directly(customers, kind)


@pytest.mark.parametrize(
    "dimension", ["channel", "product", "transaction_type", "touchpoint", "month_starts_on"]
)
def test_cells_that_share_customers_are_not_rolled_up(dimension: str) -> None:
    with pytest.raises(CompilerError, match=rf"over {dimension}:") as refused:
        render("rolled_up('cells', over, ['segmentation'])", over=["segment_id", dimension])
    assert "share customers" in str(refused.value)


# --- differences ---


def wilson(successes: int, n: int) -> tuple[float, float]:
    p = successes / n
    middle = 2 * n * p + Z * Z
    half = Z * math.sqrt(Z * Z + 4 * n * p * (1 - p))
    low, high = (middle - half) / (2 * (n + Z * Z)), (middle + half) / (2 * (n + Z * Z))
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def newcombe(a: int, m: int, b: int, n: int) -> tuple[float, float]:
    """Newcombe 1998, method 10: a of m against b of n."""
    p, q = a / m, b / n
    (l1, u1), (l2, u2) = wilson(a, m), wilson(b, n)
    return (
        p - q - math.hypot(p - l1, u2 - q),
        p - q + math.hypot(u1 - p, q - l2),
    )


def found_differences(counts: Sequence[tuple[int, int, int, int]]) -> dict[str, list[Any]]:
    frame = pd.DataFrame(counts, columns=["y1", "n1", "y0", "n0"])
    sides = (
        "ratio('y1', 'n1'), proportion_low('y1', 'n1'), proportion_high('y1', 'n1'), "
        "ratio('y0', 'n0'), proportion_low('y0', 'n0'), proportion_high('y0', 'n0')"
    )
    expressions = {
        "low": render(f"newcombe_low({sides})"),
        "high": render(f"newcombe_high({sides})"),
        "group": render("group_difference('n1', 'y1', 'n0', 'y0')"),
        "group_low": render("group_difference_low('n1', 'y1', 'n0', 'y0')"),
        "group_high": render("group_difference_high('n1', 'y1', 'n0', 'y0')"),
        "p": render("two_proportions_p('y1', 'n1', 'y0', 'n0')"),
    }
    return evaluate(expressions, "frame", frame)


def test_newcombe_interval_equals_the_published_example() -> None:
    found = found_differences([(56, 70, 48, 80)])
    assert found["low"] == [pytest.approx(0.0524, abs=5e-5)]
    assert found["high"] == [pytest.approx(0.3339, abs=5e-5)]


counted_group = st.integers(1, 500).flatmap(
    lambda n: st.tuples(st.one_of(st.integers(0, n), st.sampled_from([0, n])), st.just(n))
)


@quick
@given(st.lists(st.tuples(counted_group, counted_group), min_size=1, max_size=20))
def test_differences_of_proportions_equal_newcombe_and_the_chi_squared_test(
    groups: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    counts = [(*with_it, *without) for with_it, without in groups]
    found = found_differences(counts)
    ends = [newcombe(*row) for row in counts]
    assert found["low"] == found["group_low"] == [close(low) for low, _ in ends]
    assert found["high"] == found["group_high"] == [close(high) for _, high in ends]
    assert found["group"] == [close(a / m - b / n) for a, m, b, n in counts]
    for (a, m, b, n), p in zip(counts, found["p"], strict=True):
        if 0 < a + b < m + n:
            table = [[a, m - a], [b, n - b]]
            assert p == close(stats.chi2_contingency(table, correction=False).pvalue, 1e-6)
        else:
            assert p is None


DIFFERENCE = "'difference', 'standard_error', 'third_cumulant', 'error_covariance'"


def found_of(difference: Estimate) -> dict[str, Any]:
    """Interval and p of one difference by the SQL."""
    columns = ["difference", "standard_error", "third_cumulant", "error_covariance"]
    values = (difference.value, difference.error, difference.cumulant, difference.covariance)
    expressions = {
        "low": render(f"skewed_low({DIFFERENCE})"),
        "high": render(f"skewed_high({DIFFERENCE})"),
        "p": render(f"two_sided_p(skewness_removed({DIFFERENCE}))"),
    }
    found = evaluate(expressions, "frame", pd.DataFrame([values], columns=columns))
    return {name: column[0] for name, column in found.items()}


def test_difference_of_means_equals_welch_where_customers_are_many() -> None:
    rng = np.random.default_rng(SEED)
    a, b = rng.gamma(2, 50, 40_000), rng.gamma(2, 49.5, 9_000) * 1.5
    welch = stats.ttest_ind(a, b, equal_var=False)
    frame = cells_of(
        pd.DataFrame(
            {
                "segmentation": "behaviour",
                "segment_id": np.repeat([1, 2], [len(a), len(b)]),
                "region": "north",
                "y": np.concatenate([a, b]),
                "x": 1.0,
            }
        ),
        "mean",
    )
    figures = f"(select *, {render('cell_figures()')} from frame)"
    compared = f"{figures} as own, {figures} as other where own.segment_id < other.segment_id"
    columns = render("cell_difference('own', 'other')")
    rows = f"(select {columns} from {compared}) as compared"
    names = ["difference", "standard_error", "third_cumulant", "error_covariance"]
    found = evaluate({name: name for name in names}, rows, frame)
    expected = mean_of(a) - mean_of(b)
    assert found["difference"] == [close(a.mean() - b.mean())]
    assert found["standard_error"] == [close(abs((a.mean() - b.mean()) / welch.statistic), 1e-8)]
    assert found["third_cumulant"] == [close(expected.cumulant, 1e-6, 1e-15)]
    assert found["error_covariance"] == [0.0]
    nearer = rng.normal(0, 1, 20_000), rng.normal(0.015, 2, 30_000)
    welch = stats.ttest_ind(*nearer, equal_var=False)
    p_of = found_of(mean_of(nearer[0]) - mean_of(nearer[1]))["p"]
    assert p_of == pytest.approx(welch.pvalue, rel=2e-2)


@quick
@given(st.integers(0, 10**6), st.integers(5, 400), st.integers(5, 400))
def test_a_difference_has_the_interval_and_the_p_of_the_same_transformation(
    seed: int, own_size: int, other_size: int
) -> None:
    rng = np.random.default_rng(seed)
    own, other = rng.lognormal(3, 1.2, own_size), rng.lognormal(3.2, 0.8, other_size)
    shown = rng.poisson(10, own_size) + 1.0, rng.poisson(4, other_size) + 1.0
    for difference in (
        mean_of(own) - mean_of(other),
        ratio_of(own * shown[0], shown[0]) - ratio_of(other * shown[1], shown[1]),
    ):
        found = found_of(difference)
        low, high = difference.interval()
        assert found["low"] == close(low, 1e-9, 1e-9)
        assert found["high"] == close(high, 1e-9, 1e-9)
        assert found["p"] == close(difference.p(), 1e-6)
        assert (found["p"] < 0.05) == (found["low"] > 0 or found["high"] < 0)


def test_without_skewness_the_interval_and_the_p_are_the_normal_ones() -> None:
    found = found_of(Estimate(3.0, 1.5, 0.0))
    assert found["low"] == close(3 - 1.5 * Z)
    assert found["high"] == close(3 + 1.5 * Z)
    assert found["p"] == close(float(2 * stats.norm.sf(2)), 1e-7)


def test_what_does_not_vary_has_an_interval_without_width_and_no_p() -> None:
    assert found_of(Estimate(3.0, 0.0, 0.0)) == {"low": 3.0, "high": 3.0, "p": None}


# --- medians ---


def median_ends(samples: Sequence[np.ndarray], level: float = 0.95) -> list[tuple[Any, Any]]:
    rows = [(place, float(value)) for place, x in enumerate(samples) for value in x]
    frame = pd.DataFrame(rows, columns=["place", "value"])
    low, high = (
        render("median_end('value', sign)", sign=sign, variables={"confidence_level": level})
        for sign in "-+"
    )
    ends = f"select place, {low} as low, {high} as high from frame group by place"
    found = evaluate({"low": "low", "high": "high"}, f"({ends}) as found order by place", frame)
    return list(zip(found["low"], found["high"], strict=True))


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
def test_a_medians_interval_leaves_out_less_than_the_level_by_the_binomial(level: float) -> None:
    sizes = [*range(1, 60), 100, 101, 200, 333, 1_000, 1_001, 4_000]
    rng = np.random.default_rng(SEED)
    ends = median_ends([rng.permutation(n) + 1 for n in sizes], level)
    for n, (low, high) in zip(sizes, ends, strict=True):
        if low is None:
            assert high is None and 1 - 2 * 0.5**n < level + 0.02, n
            continue
        assert low + high == n + 1
        left_out = 2 * stats.binom.cdf(low - 1, n, 0.5)
        assert left_out < 1 - level + 0.01, n
        if level == 0.95:
            assert left_out <= 0.05, n
            assert 2 * stats.binom.cdf(low + 1, n, 0.5) > 0.05, n


def test_a_medians_interval_knows_no_nulls_and_may_be_one_value() -> None:
    values = np.concatenate([np.zeros(80), np.arange(1, 21), np.full(30, np.nan)])
    frame = pd.DataFrame({"value": pd.array(values, dtype="Float64")})
    ends = {sign: render(f"median_end('value', '{sign}')") for sign in "-+"}
    assert evaluate(ends, "frame", frame) == {"-": [0.0], "+": [0.0]}


# --- events of few, amounts too uneven ---


def test_events_of_few_customers_count_for_fewer() -> None:
    samples = [[1.0] * 25, [1.0] * 24, [4.0] * 25, [100.0] + [1.0] * 300, [0.0] * 50]
    rows = [(sum(x), sum(value**2 for value in x)) for x in samples]
    frame = pd.DataFrame(rows, columns=["y", "yy"])
    call = render("rests_on_few('y', 'yy')")
    assert evaluate({"found": call}, "frame", frame)["found"] == [False, True, False, True, False]
    assert evaluate({"found": call}, "(select 5 as y, null as yy)")["found"] == [False]


def too_uneven(samples: Sequence[np.ndarray], carriers: bool = True) -> list[Any]:
    frame = pd.concat(
        cells_of(
            pd.DataFrame(
                {"segmentation": "s", "segment_id": place, "region": "r", "y": x, "x": 1.0}
            ),
            "mean",
        )
        for place, x in enumerate(samples)
    )
    if not carriers:
        frame["carrier_count"] = pd.array([None] * len(frame), dtype="Int64")
    figures = f"(select *, {render('cell_figures()')} from frame) as figures"
    call = (
        "is_too_uneven('carrier_count', 'sum_y', 'sum_root_y', 'third_cumulant', 'standard_error')"
    )
    return evaluate({"found": render(call)}, figures, frame)["found"]


def test_inequality_is_atkinsons_index() -> None:
    rng = np.random.default_rng(SEED)
    values = rng.lognormal(0, 1.3, 100_000)
    frame = pd.DataFrame({"n": [len(values)], "y": [values.sum()], "r": [np.sqrt(values).sum()]})
    found = evaluate({"found": render("inequality('n', 'y', 'r')")}, "frame", frame)["found"]
    assert found == [close(1 - np.sqrt(values).mean() ** 2 / values.mean())]
    assert found[0] == pytest.approx(1 - math.exp(-(1.3**2) / 4), abs=0.02)


def test_amounts_give_no_verdict_where_few_have_any_or_they_are_very_uneven() -> None:
    rng = np.random.default_rng(SEED)
    even = rng.lognormal(0, 0.5, 1_000)
    few = np.concatenate([even[:199], np.zeros(801)])
    enough = np.concatenate([even[:200], np.zeros(800)])
    uneven = rng.lognormal(0, 2, 1_000)
    # Two kinds of customers: unequal, but nothing in the tails that a sample could lack.
    two_kinds = np.concatenate([np.full(4_000, 1.0), np.full(1_000, 60.0)])
    samples = [even, few, enough, uneven, two_kinds]
    assert too_uneven(samples) == [False, True, False, True, False]
    assert too_uneven(samples, carriers=False) == [False] * 5


def test_a_difference_that_cannot_vary_has_no_p() -> None:
    assert one(render("difference_p('0.1', '0')")) is None
    assert one(render("difference_p('0.1', 'cast(null as double)')")) is None


def test_mantel_haenszel_difference_equals_its_formula() -> None:
    rng = np.random.default_rng(SEED)
    n1, n0 = rng.integers(5, 400, 12), rng.integers(5, 400, 12)
    y1, y0 = rng.binomial(n1, 0.2), rng.binomial(n0, 0.1)
    weight = n1 * n0 / (n1 + n0)
    p1, p0 = y1 / n1, y0 / n0
    variance = p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0
    frame = pd.DataFrame({"n1": n1, "y1": y1, "n0": n0, "y0": y0})
    expressions = {
        "w": render("stratum_weight('n1', 'n0')"),
        "d": render("group_difference('n1', 'y1', 'n0', 'y0')"),
        "v": render("group_difference_variance('n1', 'y1', 'n0', 'y0')"),
    }
    assert evaluate(expressions, "frame", frame) == {
        "w": [close(value) for value in weight],
        "d": [close(value) for value in p1 - p0],
        "v": [close(value) for value in variance],
    }
    strata = ", ".join(f"{expression} as {name}" for name, expression in expressions.items())
    found = evaluate(
        {"difference": "sum(w * d) / sum(w)", "error": "sqrt(sum(w * w * v)) / sum(w)"},
        f"(select {strata} from frame) as strata",
        frame,
    )
    greenland_robins = ((y1 * n0 - y0 * n1) / (n1 + n0)).sum() / weight.sum()
    assert found["difference"] == [close(greenland_robins)]
    assert found["error"] == [close(math.sqrt((weight**2 * variance).sum()) / weight.sum())]


def test_rank_correlation_interval_equals_bonett_and_wright() -> None:
    rows = [(r, n) for r in (-0.98, -0.3, 0.0, 0.61, 0.95) for n in (4, 5, 30, 3000)]
    frame = pd.DataFrame(rows, columns=["r", "n"])
    expressions = {
        "low": render("rank_correlation_bound('r', 'n', '-')"),
        "high": render("rank_correlation_bound('r', 'n', '+')"),
    }
    found = evaluate(expressions, "frame", frame)
    half = [Z * math.sqrt((1 + r * r / 2) / (n - 3)) for r, n in rows]
    for name, sign in (("low", -1), ("high", 1)):
        expected = [
            math.tanh(math.atanh(r) + sign * h) for (r, _), h in zip(rows, half, strict=True)
        ]
        assert found[name] == [close(value) for value in expected]


def test_rank_correlation_without_a_spread_or_customers_has_no_interval() -> None:
    frame = pd.DataFrame({"r": [1.0, -1.0, 0.5], "n": [100, 100, 3]})
    bound = render("rank_correlation_bound('r', 'n', '+')")
    assert evaluate({"high": bound}, "frame", frame)["high"] == [None] * 3


# --- verdicts by type ---

# What was found, told from a gap of at least 1 that matters: difference, its ends, adjusted p.
FOUND = {
    "more": (5.0, 3.0, 7.0, 1e-6),
    "less": (-5.0, -7.0, -3.0, 1e-6),
    "tiny": (0.3, -0.2, 0.8, 0.3),
    "tiny but sure": (0.5, 0.3, 0.7, 1e-6),
    "tiny, sure, less": (-0.5, -0.7, -0.3, 1e-6),
    "wide": (2.0, -3.0, 7.0, 0.4),
    "more, given up by the adjustment": (2.0, 0.1, 3.9, 0.06),
    "untested": (2.0, 0.5, 3.5, None),
}
ASKED_MORE = {
    "more": "supported",
    "less": "contradicted",
    "tiny": "negligible",
    "tiny but sure": "negligible",
    "tiny, sure, less": "contradicted",
    "wide": "unsupported",
    "more, given up by the adjustment": "unsupported",
    "untested": "unsupported",
}
ASKED_LESS = ASKED_MORE | {
    "more": "contradicted",
    "less": "supported",
    "tiny but sure": "contradicted",
    "tiny, sure, less": "negligible",
}
ASKED_NONE = {
    "more": "contradicted",
    "less": "contradicted",
    "tiny": "supported",
    "tiny but sure": "supported",
    "tiny, sure, less": "supported",
    "wide": "unsupported",
    "more, given up by the adjustment": "unsupported",
    "untested": "unsupported",
}
BY_TYPE = {
    ("more_than", 1): ASKED_MORE,
    ("highest", 1): ASKED_MORE,
    ("goes_with", 1): ASKED_MORE,
    ("less_than", -1): ASKED_LESS,
    ("lowest", -1): ASKED_LESS,
    ("goes_with", -1): ASKED_LESS,
    ("no_difference", None): ASKED_NONE,
}


def verdicts(frame: pd.DataFrame) -> list[str]:
    columns = ["difference", "difference_low", "difference_high", "adjusted_p", "direction"]
    columns += ["figure", "tolerance", "figure_low", "figure_high", "least_possible"]
    frame = frame.reindex(columns=["claim_type", *columns]).assign(smallest_difference=1.0)
    # A missing number is null, not NaN, which is larger than every number.
    frame[columns] = frame[columns].astype("Float64")
    found: list[str] = evaluate({"v": render("claim_verdict_by_type()")}, "frame", frame)["v"]
    return found


@pytest.mark.parametrize(("asked", "direction"), BY_TYPE)
def test_claims_of_a_difference_are_judged(asked: str, direction: int | None) -> None:
    columns = ["difference", "difference_low", "difference_high", "adjusted_p"]
    frame = pd.DataFrame(FOUND.values(), columns=columns)
    frame = frame.assign(claim_type=asked, direction=direction)
    expected = BY_TYPE[asked, direction]
    assert dict(zip(FOUND, verdicts(frame), strict=True)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.46, 0.50, "supported"),
        (0.45, 0.51, "supported"),
        (0.40, 0.44, "contradicted"),
        (0.52, 0.60, "contradicted"),
        (0.40, 0.46, "unsupported"),
        (0.50, 0.52, "unsupported"),
        (0.40, 0.60, "unsupported"),
    ],
)
def test_a_figure_and_a_band_are_judged_by_their_overlap(
    low: float, high: float, expected: str
) -> None:
    found = {"difference": (low + high) / 2, "difference_low": low, "difference_high": high}
    frame = pd.DataFrame(
        [
            {"claim_type": "within", "figure_low": 0.45, "figure_high": 0.51} | found,
            {"claim_type": "about", "figure": 0.48, "tolerance": 0.030000001} | found,
        ]
    )
    assert verdicts(frame) == [expected, expected]


def test_every_type_but_the_unordered_ones_is_judged_here() -> None:
    tables = {asked for asked, _ in BY_TYPE} | {"about", "within"}
    types = render("claim_types() | join(' ')").split()
    assert set(types) - tables == {"same_order", "explanation"}


def test_no_verdict_is_without_words() -> None:
    words = {
        "supported": "Holds",
        "contradicted": "The opposite holds",
        "negligible": "No difference that matters",
        "unsupported": "Not shown",
        "not_identifiable": "This data cannot tell",
        "circular": "True by construction",
    }
    labels = {name: one(render("verdict_label(v)", v=f"'{name}'")) for name in words}
    assert labels == words
    advice = {name: one(render("use_it(v)", v=f"'{name}'")) for name in words}
    assert advice == {
        "supported": "yes",
        "contradicted": "no",
        "negligible": "no",
        "unsupported": "test first",
        "not_identifiable": "test first",
        "circular": "no",
    }
    nothing = "cast(null as varchar)"
    assert one(render("verdict_label(v)", v=nothing)) is None
    assert one(render("use_it(v)", v=nothing)) is None


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        ("0.3124", "share", "31.2 %"),
        ("-0.0151", "share", "-1.5 %"),
        ("19686.37", "amount", f"19,686 {project_vars()['currency']}"),
        ("4.1413", "number", "4.14"),
    ],
)
def test_figures_are_written_as_people_write_them(number: str, unit: str, expected: str) -> None:
    assert one(render("in_words(n, u)", n=f"cast({number} as double)", u=f"'{unit}'")) == expected
