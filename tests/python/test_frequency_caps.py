"""What is concluded about frequency caps, against worlds where the truth is planted.

Three seeds a world; all 20 under the mark `full`, which also writes the table of the docs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from evidence_sql import build, order_of
from rendering import ROOT, project_vars

from benchmarks import worlds

MODELS = ROOT / "models" / "evidence" / "frequency_caps"
DOCS = ROOT / "docs" / "frequency_caps.md"
SHORT_SEEDS = range(1, 4)
ALL_SEEDS = range(1, 21)
CAPS_PLANTED = (7, 8, 9)
VARS = project_vars()

INPUTS = """
create table stg_campaign_engagements as
select campaign_id, channel, customer_id, cast(occurred_on as date) as occurred_on,
       false as is_holdout, impressions, clicks
from engagements;
create table customer_segments as
select distinct 'planted' as segmentation, customer_id, segment_id,
       'Segment ' || segment_id as segment_name
from engagements;
create table segments as
select distinct segmentation, 'customer' as grain, segment_id, segment_name from customer_segments;
create table int_adult_customers as select distinct customer_id from customer_segments;
create table as_of as select date '2026-06-30' as as_of_on;
"""


def inputs_of(connection: duckdb.DuckDBPyConnection, engagements: pd.DataFrame) -> None:
    """Create what the models refer to, from the engagements of a world and the seeds."""
    connection.register("engagements", engagements)
    connection.execute(INPUTS)
    for seed in ("frequency_cap_candidates", "impression_bands"):
        file = ROOT / "seeds" / f"{seed}.csv"
        rows = f"read_csv('{file}', all_varchar = true)"
        connection.execute(f"create table {seed} as select * from {rows}")


def models(mart: str) -> list[Path]:
    """The models of the folder that a mart needs, in order."""
    left_out = (
        "band" if mart == "segment_channel_frequency_caps" else "segment_channel_frequency_caps"
    )
    return [path for path in order_of(MODELS) if left_out not in path.stem]


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    yield
    verdicts.cache_clear()


@cache
def verdicts(world: str, seed: int) -> pd.DataFrame:
    """segment_channel_frequency_caps of one world: 12 rows of cells and 3 of channels."""
    with duckdb.connect(config={"threads": 2}) as connection:
        inputs_of(connection, worlds.draw(world, seed))
        build(connection, models("segment_channel_frequency_caps"))
        found = connection.sql("select * from segment_channel_frequency_caps").df()
    return found.assign(world=world, seed=seed)


def is_no_cap(found: pd.DataFrame) -> pd.Series[bool]:
    return found.verdict == "no_cap"


def is_planted_cap(found: pd.DataFrame) -> pd.Series[bool]:
    return (found.verdict == "cap") & found.cap.isin(CAPS_PLANTED)


def is_never_a_cap(found: pd.DataFrame) -> pd.Series[bool]:
    return found.verdict != "cap"


def is_not_identifiable(found: pd.DataFrame) -> pd.Series[bool]:
    return found.verdict == "not_identifiable"


# World: what is right there, of 20 seeds the least that are right in all channels, the least share
# of cells that are right.
Right = Callable[[pd.DataFrame], "pd.Series[bool]"]
EXPECTED: dict[str, tuple[Right, int, float]] = {
    "a_confounded": (is_no_cap, 20, 0.95),
    "b_stopping": (is_no_cap, 20, 0.95),
    "c_random_fatigue": (is_planted_cap, 19, 0.95),
    "d_confounded_fatigue": (is_planted_cap, 19, 0.95),
    "e_random": (is_no_cap, 20, 0.95),
    "f_stopping_fatigue": (is_planted_cap, 18, 0.95),
    "wear_out": (is_never_a_cap, 20, 1.0),
    "boosting": (is_never_a_cap, 20, 1.0),
    "finer_stopping": (is_not_identifiable, 18, 0.0),
}


def seeds_right(found: pd.DataFrame, right: Right) -> int:
    channels = found[found.is_all_customers]
    return int(right(channels).groupby(channels.seed).all().sum())


def judge(world: str, seeds: range) -> pd.DataFrame:
    """All verdicts of a world, after asserting what the world promises for so many seeds."""
    right, least_seeds, least_share = EXPECTED[world]
    found = pd.concat([verdicts(world, seed) for seed in seeds], ignore_index=True)
    cells = found[~found.is_all_customers]
    assert len(cells) == 12 * len(seeds)
    if world not in worlds.WITH_FATIGUE:
        assert not (found.verdict == "cap").any()
    allowed = 20 - least_seeds if len(seeds) == 20 else int(least_seeds < 20)
    assert seeds_right(found, right) >= len(seeds) - allowed
    assert right(cells).mean() >= least_share - (0.0 if len(seeds) == 20 else 0.05)
    return found


@pytest.mark.parametrize("world", EXPECTED)
def test_a_verdict_says_what_was_planted(world: str) -> None:
    judge(world, SHORT_SEEDS)


def row_of_docs(world: str, found: pd.DataFrame) -> str:
    right = EXPECTED[world][0]
    cells = found[~found.is_all_customers]
    caps = found.cap.dropna().astype(int).value_counts().sort_index()
    others = cells.verdict[~right(cells)].value_counts()
    return (
        f"| {world.replace('_', ' ')} | {right.__name__.removeprefix('is_').replace('_', ' ')} "
        f"| {seeds_right(found, right)} of {found.seed.nunique()} "
        f"| {int(right(cells).sum())} of {len(cells)} "
        f"| {', '.join(f'{cap}: {count}' for cap, count in caps.items()) or 'none'} "
        f"| {', '.join(f'{name}: {count}' for name, count in others.items()) or 'none'} |"
    )


@pytest.mark.full
def test_twenty_seeds_of_every_world() -> None:
    lines = [
        "# Frequency caps: what the verdict says where the truth is known",
        "",
        f"{worlds.CUSTOMERS:,} customers in 4 segments, {worlds.CAMPAIGNS} campaigns, "
        f"{len(worlds.CHANNELS)} channels, 18 months of daily rows, 20 seeds a world; a cell is a "
        "segment and channel. `make test-full` writes this table anew.",
        "",
        "| world | right is | channels right, seeds | cells right | caps found | other cells |",
        "|---|---|---|---|---|---|",
    ]
    lines += [row_of_docs(world, judge(world, ALL_SEEDS)) for world in EXPECTED]
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_few_customers_are_insufficient_and_say_how_many_are_needed() -> None:
    with duckdb.connect() as connection:
        inputs_of(connection, worlds.draw("e_random", 1, customers=300))
        build(connection, models("segment_channel_frequency_caps"))
        found = connection.sql("select * from segment_channel_frequency_caps").df()
    cells = found[~found.is_all_customers]
    assert (cells.verdict == "insufficient").all()
    assert (cells.customers_needed > cells.customer_count).all()


def test_bands_within_customers_see_fatigue_and_confounding_does_not_fool_them() -> None:
    ctr = {}
    for world in ("a_confounded", "c_random_fatigue"):
        with duckdb.connect() as connection:
            inputs_of(connection, worlds.draw(world, 1, customers=1_500))
            build(connection, models("segment_channel_impression_bands"))
            bands = connection.sql(
                "from segment_channel_impression_bands where is_all_customers and channel = 'email'"
                " order by from_impressions"
            ).df()
        ctr[world] = bands.set_index("band_name")
    flat, tired = ctr["a_confounded"], ctr["c_random_fatigue"]
    assert flat.within_ctr_low["8-12"] < flat.within_ctr["1"] < flat.within_ctr_high["8-12"]
    assert flat.naive_ctr_high["13+"] < flat.naive_ctr["2-3"]
    assert tired.within_ctr_high["13+"] < 0.5 * tired.within_ctr["1"]
    assert tired.across_ctr_high["13+"] < 0.5 * tired.across_ctr["1"]


def test_without_engagements_both_marts_are_there_and_empty() -> None:
    with duckdb.connect() as connection:
        inputs_of(connection, worlds.draw("e_random", 1, customers=40))
        connection.execute("delete from stg_campaign_engagements")
        build(connection, order_of(MODELS))
        for mart in ("segment_channel_frequency_caps", "segment_channel_impression_bands"):
            rows = connection.sql(f"from {mart}").df()
            assert rows.empty
            assert {"is_all_customers", "p", "adjusted_p", "is_small_cell"} <= set(rows.columns)


def test_clicks_that_come_once_a_day_at_most_are_stopping_within_the_day() -> None:
    """Not one repeated click has no error to judge it by; many were to be expected."""
    engagements = worlds.draw("e_random", 1, customers=1_000)
    engagements["clicks"] = engagements["clicks"].clip(upper=1)
    affinities = {}
    for customers in (1_000, 20):
        few = engagements[engagements["customer_id"] < f"C{100_000 + customers}"]
        with duckdb.connect() as connection:
            inputs_of(connection, few)
            build(connection, models("segment_channel_frequency_caps"))
            row = connection.sql("select affinity, affinity_ratio from int_finer_affinity")
            affinities[customers] = row.fetchone()
    assert affinities == {1_000: ("stops_within_days", 0.0), 20: ("unknown", 0.0)}


# --- the same figures from pandas, over all customers of a channel ---

CAP = 6


@pytest.fixture(scope="module")
def drawn() -> Iterator[tuple[pd.DataFrame, duckdb.DuckDBPyConnection]]:
    engagements = worlds.draw("d_confounded_fatigue", 5, customers=600)
    with duckdb.connect() as connection:
        inputs_of(connection, engagements)
        build(connection, order_of(MODELS))
        yield engagements, connection


def days_of(engagements: pd.DataFrame, channel: str) -> pd.DataFrame:
    """Days of a channel: earlier impressions, age of the campaign, clicks and expected clicks of
    the customer's other campaigns (C and M), and whether the day comes after the cap."""
    days = engagements[engagements["channel"] == channel].sort_values("occurred_on").copy()
    spell = days.groupby(["customer_id", "campaign_id"])
    days["prior"] = spell["impressions"].cumsum() - days["impressions"]
    first_on = days.groupby("campaign_id")["occurred_on"].transform("min")
    days["age"] = (days["occurred_on"] - first_on).dt.days // VARS["campaign_age_days"]
    first = days[days["prior"] == 0]
    by_age = first.groupby(["campaign_id", "age"])[["clicks", "impressions"]].sum()
    by_campaign = first.groupby("campaign_id")[["clicks", "impressions"]].sum()
    overall = (by_campaign["clicks"] / by_campaign["impressions"]).reindex(
        by_age.index, level="campaign_id"
    )
    response = (by_age["clicks"] / by_age["impressions"]).where(
        by_age["clicks"] >= VARS["small_cell_events"], overall
    )
    days = days.join(response.rename("g"), on=["campaign_id", "age"])
    early = days[days["prior"] < VARS["baseline_impressions"]].dropna(subset="g")
    early = early.assign(expected=early["impressions"] * early["g"])
    own = early.groupby(["customer_id", "campaign_id"])[["clicks", "expected"]].sum()
    others = own.groupby("customer_id").transform("sum") - own
    days = days.join(others.rename(columns={"clicks": "C", "expected": "M"}), on=own.index.names)
    return days.assign(is_after=days["prior"] >= CAP)


def halves(days: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Sums before and after the cap, side by side; only strata that have both."""
    sums = days.groupby([*keys, "is_after"])[values].sum().unstack("is_after")
    sums.columns = [f"{value}{'_after' if after else '_before'}" for value, after in sums.columns]
    expected = values[-1]
    return sums[(sums[f"{expected}_before"] > 0) & (sums[f"{expected}_after"] > 0)]


def response_across(days: pd.DataFrame) -> float:
    rows = days.assign(a=days["clicks"] * days["M"], b=days["impressions"] * days["C"])
    s = halves(rows, ["campaign_id", "age"], ["a", "b"])
    both = s["b_before"] + s["b_after"]
    above = (s["a_after"] * s["b_before"] / both).sum()
    return float(above / (s["a_before"] * s["b_after"] / both).sum())


def found_response(connection: duckdb.DuckDBPyConnection, comparison: str) -> tuple[float, float]:
    row = connection.execute(
        "select relative_response, log_error from int_candidate_responses"
        " where group_id = 0 and channel = 'email' and cap = ? and comparison = ?",
        [CAP, comparison],
    ).fetchone()
    assert row is not None
    return row


def test_the_response_across_campaigns_is_that_of_pandas(
    drawn: tuple[pd.DataFrame, duckdb.DuckDBPyConnection],
) -> None:
    engagements, connection = drawn
    days = days_of(engagements, "email")
    response, log_error = found_response(connection, "across_campaigns")
    assert response == pytest.approx(response_across(days), rel=1e-9)
    # The linearised error against a jackknife that leaves out one of 60 groups of customers.
    group = days["customer_id"].str[1:].astype(int) % 60
    left_out = np.log([response_across(days[group != number]) for number in range(60)])
    jackknife = np.sqrt(59 / 60 * ((left_out - left_out.mean()) ** 2).sum())
    assert log_error == pytest.approx(jackknife, rel=0.35)


def test_the_response_within_customers_is_that_of_pandas(
    drawn: tuple[pd.DataFrame, duckdb.DuckDBPyConnection],
) -> None:
    engagements, connection = drawn
    days = days_of(engagements, "email")
    rows = days.assign(a=days["clicks"] * days["M"], b=days["impressions"] * days["C"])
    strata = halves(rows[rows["M"] > 0], ["campaign_id", "age"], ["clicks", "a", "b"])
    strata = strata[strata["clicks_before"] >= VARS["small_cell_events"]]
    wear = (strata["a_before"] / strata["b_before"]).rename("wear")
    days = days.join(wear, on=["campaign_id", "age"], how="inner")
    days["expected"] = days["impressions"] * days["wear"]
    spells = halves(days, ["customer_id", "campaign_id"], ["clicks", "expected"])
    both = spells["expected_before"] + spells["expected_after"]
    weighted = pd.DataFrame(
        {
            "above": spells["clicks_after"] * spells["expected_before"] / both,
            "below": spells["clicks_before"] * spells["expected_after"] / both,
        }
    )
    customers = weighted.groupby("customer_id").sum()
    above, below = customers["above"], customers["below"]
    response, log_error = found_response(connection, "within_customers")
    assert response == pytest.approx(above.sum() / below.sum(), rel=1e-9)
    residuals = above / above.sum() - below / below.sum()
    assert log_error == pytest.approx(np.sqrt((residuals**2).sum()), rel=1e-9)


def test_the_change_of_a_band_across_campaigns_is_that_of_its_customers(
    drawn: tuple[pd.DataFrame, duckdb.DuckDBPyConnection],
) -> None:
    """Log ratio of the two ratios, its error from each customer's share in all four sums."""
    _, connection = drawn
    connection.execute(
        "create or replace table int_delivery_dependence as "
        "select channel, 'unknown' as delivery from int_delivery_dependence"
    )
    build(connection, [MODELS / "int_band_changes.sql"])
    bands = connection.sql("from int_customer_bands where channel = 'email'").df()
    found = (
        connection.sql("from int_band_changes where group_id = 0 and channel = 'email'")
        .df()
        .set_index("band_name")
    )
    columns = ["weighted_clicks", "weighted_expected"]
    sums = bands.pivot_table(index="customer_id", columns="band_name", values=columns, fill_value=0)
    shares = sums / sums.sum()
    influence = shares["weighted_clicks"] - shares["weighted_expected"]
    ratios = sums["weighted_clicks"].sum() / sums["weighted_expected"].sum()
    for band in ("2-3", "4-7", "8-12"):
        change, error = found.loc[band, ["log_change", "log_change_error"]]
        assert change == pytest.approx(np.log(ratios[band] / ratios["1"]), rel=1e-9)
        residuals = influence[band] - influence["1"]
        assert error == pytest.approx(np.sqrt((residuals**2).sum()), rel=1e-7)
    assert pd.isna(found.loc["1", "log_change"])
