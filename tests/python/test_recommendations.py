"""What is recommended: statuses, baselines and sizes of tests recomputed with pandas and scipy, and
the strategies that stop a build.

Customers' own figures, their segments and the verdicts on claims are taken from the warehouse,
where they have tests of their own.
"""

from __future__ import annotations

import csv
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import OWN_VARIABLES, PROJECT, Build
from rendering import CompilerError, evaluate, project_vars, render, render_model
from scipy import stats

VARS = project_vars()
LEVEL = float(VARS["confidence_level"])
POWER = float(VARS["test_power"])
RECOMMENDATIONS = "models/evidence/recommendations"


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def recommendations(demo: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return demo.sql("from evidence.recommendations").df().set_index("strategy_id")


def seed(name: str) -> pd.DataFrame:
    table = pd.read_csv(PROJECT / "seeds" / f"{name}.csv", dtype=str, keep_default_na=False)
    return table.replace("", None)


# --- which recommendations there are, and what follows from the claims ---


def test_every_strategy_of_a_running_segmentation_has_its_row(
    demo: duckdb.DuckDBPyConnection, recommendations: pd.DataFrame
) -> None:
    running = {row[0] for row in demo.sql("select segmentation from marts.segments").fetchall()}
    strategies = seed("strategies").set_index("strategy_id")
    # Those of a study rest on claims that the demo has not.
    is_own = strategies["segmentation"].isin(running) & (strategies["source"] == "demo")
    strategies = strategies[is_own]
    assert len(strategies) == recommendations["segmentation"].isin(running).sum() > 5
    together = strategies.join(recommendations, rsuffix="_found", how="outer")
    for column in ("strategy", "wording", "source", "kpi_mart", "kpi_metric"):
        assert (together[column] == together[f"{column}_found"]).all(), column
    names = together["segment_name"].where(together["segment_name"].notna(), None)
    assert list(names) == list(together["segment"])
    assert names.isna().any() and names.notna().any()


def test_statuses_and_counts_follow_from_the_verdicts(
    demo: duckdb.DuckDBPyConnection, recommendations: pd.DataFrame
) -> None:
    verdicts = demo.sql("from evidence.claim_verdicts").df().set_index("claim_id")["verdict"]
    cited = seed("strategy_claims")
    statuses = set()
    for strategy_id, row in recommendations.iterrows():
        claims = sorted(cited.loc[cited["strategy_id"] == strategy_id, "claim_id"])
        own = verdicts[claims]
        assert row["rests_on"] == "|".join(claims)
        assert row["claim_count"] == len(claims)
        assert row["supported_claim_count"] == (own == "supported").sum()
        assert row["contradicted_claim_count"] == (own == "contradicted").sum()
        if (own == "contradicted").any():
            expected = "do_not"
        else:
            expected = "backed" if (own == "supported").all() else "test_first"
        assert row["status"] == expected, strategy_id
        statuses.add(expected)
    assert statuses == {"backed", "do_not", "test_first"}


def test_only_a_backed_strategy_is_spoken_of_as_holding(recommendations: pd.DataFrame) -> None:
    for row in recommendations.itertuples():
        assert (row.reason == "Everything it rests on holds.") == (row.status == "backed")
        assert row.reason.endswith("."), row.reason
        assert "_" not in row.reason, row.reason


# --- baselines, targets and sizes of tests ---


def customers_of(
    demo: duckdb.DuckDBPyConnection, row: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator of the figure to watch, per customer it covers."""
    members = demo.sql("from customers.customer_segments").df()
    members = members[members["segmentation"] == row["segmentation"]]
    if not pd.isna(row["segment_id"]):
        members = members[members["segment_id"] == row["segment_id"]]
    if row["kpi_metric"] == "purchase_rate":
        bought = demo.sql("from intermediate.int_customer_products").df()
        bought = bought[bought["is_bought_in_window"] & (bought["product"] == row["kpi_cell"])]
        buys = members["customer_id"].isin(bought["customer_id"]).to_numpy(float)
        return buys, np.ones(len(buys))
    engaged = demo.sql("from intermediate.int_customer_channel_engagement").df()
    engaged = engaged[engaged["customer_id"].isin(members["customer_id"])]
    if pd.isna(row["kpi_cell"]):
        engaged = engaged.groupby("customer_id").sum(numeric_only=True)
    else:
        engaged = engaged[engaged["channel"] == row["kpi_cell"]]
    if row["kpi_metric"] == "conversion_rate":
        converts = engaged["conversion_count"].gt(0).to_numpy(float)
        return converts, np.ones(len(converts))
    return engaged["click_count"].to_numpy(float), engaged["impression_count"].to_numpy(float)


def per_arm(variance: float, changed: float, difference: float) -> int:
    quantiles = stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER)
    return math.ceil(quantiles**2 * (variance + changed) / difference**2)


def test_baselines_and_sizes_of_tests_are_those_of_the_customers(
    demo: duckdb.DuckDBPyConnection, recommendations: pd.DataFrame
) -> None:
    smallest = {
        (metric["mart"], metric["metric"]): metric["smallest_difference"]
        for metric in VARS["metrics"]
    }
    kinds = set()
    for strategy_id, row in recommendations.iterrows():
        y, x = customers_of(demo, row)
        estimate = y.sum() / x.sum()
        assert row["customer_count"] == len(y), strategy_id
        assert row["baseline"] == pytest.approx(estimate, rel=1e-9), strategy_id
        assert row["target"] == pytest.approx(1.1 * estimate, rel=1e-9), strategy_id
        assert row["baseline_low"] < estimate < row["baseline_high"], strategy_id
        if row["status"] != "test_first":
            assert pd.isna(row["customers_per_arm"]) and pd.isna(row["is_test_possible"])
            continue
        difference = smallest[row["kpi_mart"], row["kpi_metric"]]
        is_share_of_customers = bool((x == 1).all())
        if is_share_of_customers:
            changed = estimate + difference
            sizes = (estimate * (1 - estimate), changed * (1 - changed))
        else:
            contributions = (y - estimate * x) / x.mean()
            sizes = (contributions.var(ddof=1),) * 2
        expected = per_arm(*sizes, difference)
        assert abs(row["customers_per_arm"] - expected) <= 1e-9 * expected, strategy_id
        assert row["is_test_possible"] == (len(y) >= 2 * expected), strategy_id
        kinds.add((is_share_of_customers, pd.isna(row["segment_id"])))
    assert kinds >= {(True, True), (False, True), (False, False)}


def rendered_sizes(frame: pd.DataFrame) -> list[int | None]:
    call = "customers_per_arm('variance', 'changed', 'difference')"
    return evaluate({"size": render(call)}, "frame", frame)["size"]


def test_the_size_is_the_first_to_reach_the_power() -> None:
    draw = np.random.default_rng(20260630)
    frame = pd.DataFrame(
        {
            "variance": 10 ** draw.uniform(-4, 4, 500),
            "changed": 10 ** draw.uniform(-4, 4, 500),
            "difference": 10 ** draw.uniform(-3, 1, 500),
        }
    )
    size = np.array(rendered_sizes(frame), dtype=float)
    variance, difference = frame["variance"] + frame["changed"], frame["difference"]
    critical = stats.norm.ppf((1 + LEVEL) / 2)

    def power(n: np.ndarray) -> np.ndarray:
        return stats.norm.sf(critical - difference / np.sqrt(variance / n))

    several = size > 1
    assert several.sum() > 300
    assert (power(size) >= POWER - 1e-9).all()
    assert (power(np.maximum(size - 1, 1))[several] < POWER + 1e-9).all()


def test_a_test_of_that_size_finds_the_difference_about_as_often_as_said() -> None:
    """Bernoulli customers, 2,000 tests: the share found lies within four of its errors."""
    baseline, difference = 0.1, 0.03
    changed = baseline + difference
    frame = pd.DataFrame(
        {
            "variance": [baseline * (1 - baseline)],
            "changed": [changed * (1 - changed)],
            "difference": [difference],
        }
    )
    (size,) = rendered_sizes(frame)
    assert size is not None
    draws = np.random.default_rng(20260630).binomial(size, [baseline, changed], (2_000, 2)) / size
    error = np.sqrt((draws * (1 - draws)).sum(axis=1) / size)
    found = (draws[:, 1] - draws[:, 0]) / error > stats.norm.ppf((1 + LEVEL) / 2)
    assert abs(found.mean() - POWER) < 4 * math.sqrt(POWER * (1 - POWER) / 2_000) + 0.01


def test_where_nothing_varies_no_size_is_said() -> None:
    frame = pd.DataFrame({"variance": [0.0], "changed": [0.09], "difference": [0.1]})
    assert rendered_sizes(frame) == [None]


def test_a_power_without_a_quantile_is_refused() -> None:
    assert float(render("power_z()")) == pytest.approx(stats.norm.ppf(POWER), abs=1e-15)
    assert float(render("power_z()", variables={"test_power": 0.9})) == pytest.approx(
        stats.norm.ppf(0.9), abs=1e-15
    )
    with pytest.raises(CompilerError, match=r"test_power: 0.85 is none; allowed are 0.8, 0.9"):
        render("power_z()", variables={"test_power": 0.85})


# --- strategies that stop a build ---

STRATEGY = {
    "strategy_id": "do_it",
    "source": "a study",
    "segmentation": "behaviour",
    "segment": "Savers",
    "strategy": "Do it.",
    "kpi_mart": "segment_channel_engagement",
    "kpi_metric": "ctr",
    "kpi_cell": "email",
    "target_change": "0.1",
    "wording": "own",
}
CITED = ("do_it", "they_click")
STRATEGY_MODELS = ("int_strategies", "int_strategy_problems")
AROUND = """
create table segments as
select 'behaviour' as segmentation, 1 as segment_id, 'Savers' as segment_name;
create table int_segment_references as
from (values ('behaviour', 'Savers', 1), ('behaviour', 'cluster 0', 1))
    as known (segmentation, reference, segment_id);
create table int_metric_cells as
from (values ('segment_product_ownership', 'savings'), ('segment_channel_engagement', 'letter'))
    as cells (mart, cell);
create table channels as select 'email' as channel;
create table int_claims as select 'they_click' as claim_id;
"""


def problems_of(
    strategies: list[Mapping[str, str | None]], cited: list[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """What is wrong with two seeds: file, row and problem, in the order a build tells them."""
    with duckdb.connect() as connection:
        connection.execute(AROUND)
        connection.register("strategies", pd.DataFrame(strategies, dtype="string"))
        connection.register(
            "strategy_claims",
            pd.DataFrame(cited, columns=["strategy_id", "claim_id"], dtype=object),
        )
        claims = "models/evidence/claims/int_claim_questions"
        for path in (claims, *(f"{RECOMMENDATIONS}/{name}" for name in STRATEGY_MODELS)):
            name = Path(path).name
            sql = render_model(f"{path}.sql")
            connection.execute(f"create table {name} as {sql}")
        return connection.execute("from int_strategy_problems order by all").fetchall()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"segment": None},
        {"segment": "cluster 0"},
        {"kpi_cell": "letter"},
        {"kpi_mart": "segment_engagement", "kpi_cell": None},
        {"kpi_mart": "segment_ownership", "kpi_metric": "purchase_rate", "kpi_cell": None},
        {"segmentation": "of another source", "segment": "Nobody", "kpi_mart": "none"},
        {"source": "demo"},
    ],
)
def test_a_strategy_with_nothing_wrong_stops_nothing(change: Mapping[str, str | None]) -> None:
    assert problems_of([STRATEGY | dict(change)], [CITED]) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"segment": "Nobody"}, "segment Nobody is no segment of behaviour and no label"),
        ({"kpi_mart": "moods"}, "there is no figure ctr in a mart moods"),
        (
            {"kpi_metric": "joy"},
            "there is no figure joy in a mart segment_channel_engagement",
        ),
        ({"kpi_cell": "fax"}, "there is no channel fax in segment_channel_engagement"),
        (
            {"kpi_cell": None},
            "kpi_cell is to say which channel of segment_channel_engagement is meant",
        ),
        (
            {"kpi_mart": "segment_engagement"},
            "segment_engagement has one figure a segment, so kpi_cell is to be empty, not email",
        ),
        (
            {
                "kpi_mart": "segment_product_ownership",
                "kpi_metric": "purchase_rate",
                "kpi_cell": "yacht",
            },
            "there is no product yacht in segment_product_ownership",
        ),
        ({"strategy": None}, "strategy is missing"),
        ({"target_change": None}, "target_change is missing"),
    ],
)
def test_a_strategy_about_something_unknown_is_named(
    change: Mapping[str, str | None], problem: str
) -> None:
    good = STRATEGY | {"strategy_id": "good"}
    found = problems_of([good, STRATEGY | dict(change)], [CITED, ("good", "they_click")])
    assert found == [("strategies", "do_it", problem)]


@pytest.mark.parametrize(
    ("strategies", "cited", "found"),
    [
        (
            [STRATEGY],
            [CITED, ("do_it", "they_fly")],
            ("strategy_claims", "do_it", "there is no claim they_fly"),
        ),
        (
            [STRATEGY],
            [],
            ("strategy_claims", "do_it", "the strategy rests on no claim, so name at least one"),
        ),
        (
            [STRATEGY],
            [CITED, CITED],
            ("strategy_claims", "do_it", "claim they_click stands there twice"),
        ),
        (
            [STRATEGY],
            [CITED, ("undo_it", "they_click")],
            (
                "strategy_claims",
                "undo_it",
                "there is no strategy of this id in seeds/strategies.csv",
            ),
        ),
        (
            [STRATEGY, STRATEGY | {"segmentation": "of another source"}],
            [CITED],
            (
                "strategies",
                "do_it",
                "the strategy_id stands there twice; give each strategy its own",
            ),
        ),
    ],
    ids=["unknown claim", "no claim", "claim twice", "unknown strategy", "strategy twice"],
)
def test_what_a_strategy_rests_on_is_checked_row_by_row(
    strategies: list[Mapping[str, str | None]],
    cited: list[tuple[str, str]],
    found: tuple[str, str, str],
) -> None:
    assert found in problems_of(strategies, cited)


@pytest.fixture
def scratch(demo_build: Build, tmp_path: Path) -> Path:
    """A copy of the built demo in which a seed may be broken."""
    folder = tmp_path / "project"
    shutil.copytree(demo_build.folder, folder, symlinks=True)
    return folder


def test_a_strategy_that_cites_an_unknown_claim_stops_the_build_and_nothing_is_published(
    scratch: Path,
) -> None:
    with (scratch / "seeds" / "strategy_claims.csv").open("a", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(["demo_email_offers", "nobody_said_this"])
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OWN_VARIABLES and not name.startswith(("SEGMART_", "DBT_", "PUBLISHED"))
    }
    environment = kept | {"PWD": str(scratch)}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
        )

    dbt = str(Path(sys.executable).with_name("dbt"))
    kinds = ("--resource-type", "seed", "--resource-type", "model")
    built = run(dbt, "build", *kinds, "--select", "strategy_claims", "int_strategy_problems+")
    assert built.returncode == 1
    told = [line.strip() for line in built.stdout.splitlines() if "seeds/strategy" in line]
    assert (
        "seeds/strategy_claims.csv, row demo_email_offers: there is no claim nobody_said_this."
        in told
    ), built.stdout
    refused = run(sys.executable, "-m", "pipeline.publish")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Nothing was published: the last run")
    assert not (scratch / "published").exists()
