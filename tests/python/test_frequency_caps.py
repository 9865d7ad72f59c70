"""What is concluded about frequency caps, against worlds where the truth is planted.

Three seeds a world; all 20 under the mark `full`, which also writes the table of the docs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from evidence_sql import build, order_of
from rendering import ROOT

from benchmarks import worlds

MODELS = ROOT / "models" / "evidence" / "frequency_caps"
DOCS = ROOT / "docs" / "frequency_caps.md"
SHORT_SEEDS = range(1, 4)
ALL_SEEDS = range(1, 21)
CAPS_PLANTED = (7, 8, 9)

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
create table stg_customers as
select customer_id, cast(null as integer) as birth_year from customer_segments;
create table as_of as select date '2026-06-30' as as_of_on;
"""


def inputs_of(connection: duckdb.DuckDBPyConnection, engagements: pd.DataFrame) -> None:
    """Create what the models refer to, from the engagements of a world and the seeds."""
    connection.register("engagements", engagements)
    connection.execute(INPUTS)
    for seed in ("frequency_cap_candidates", "impression_bands"):
        file = ROOT / "seeds" / f"{seed}.csv"
        connection.execute(f"create table {seed} as select * from read_csv('{file}', all_varchar = true)")


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
