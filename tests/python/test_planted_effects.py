"""Effects of campaigns where the truth is planted: the warehouse's own SQL on a bare DuckDB.

Three seeds of the demo; all 20 under the mark `full`, which also writes the table of the docs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pytest
from effects_sql import build_model, campaign_effects
from planted_banks import add_bank
from rendering import ROOT, project_vars
from scipy import stats

from benchmarks import planted

SHORT, ALL = range(1, 4), range(1, 21)
VARS = project_vars()
LEVEL = VARS["confidence_level"]
DAYS = VARS["effect_window_days"]
DOCS = ROOT / "docs" / "campaign_effects.md"

BANKS = """
create table as_of as select date '2026-06-30' as as_of_on;
create table stg_customers as
select distinct on (customer_id) * from raw_customers order by customer_id, updated_at desc;
create table stg_transactions as
select *, cast(transacted_at as date) as transacted_on from raw_transactions;
create table stg_campaign_engagements as
select * replace (split_part(customer_id, '-', 1) || '-' || campaign_id as campaign_id)
from raw_campaign_engagements;
create table stg_product_holdings as from raw_product_holdings;
create table customer_segments as from members;
create table stg_campaigns as from campaigns;
create table int_segmentation_sources as
select distinct segmentation, 'customers.region' as raw_column, cast(null as varchar) as cell
from members;
"""


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    yield
    for kept in (effects_in_banks, adjusted_effects, zero_conversions):
        kept.cache_clear()


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("1970-01-01") + pd.Timedelta(days=number)


def planted_campaigns(prefix: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "campaign_id": f"{prefix}K{number + 1:02d}",
            "product": planted.PRODUCTS[campaign.product],
            "starts_on": day(campaign.starts).date(),
            "ends_on": day(campaign.ends).date(),
            "planned_holdout_share": campaign.holdout,
        }
        for number, campaign in enumerate(planted.CAMPAIGNS)
    )


def true_effect(campaign: planted.Campaign) -> np.ndarray:
    """What being assigned does to the share who open the product in the window, by group.

    The lift is that of the reached; who was won opens once, so that nothing is gained from those
    who would have opened by themselves in what the window has beyond the generator's own.
    """
    until = min(campaign.ends + planted.OUTCOME_DAYS, planted.AS_OF)
    later = campaign.starts + DAYS - 1 - until
    assert later >= 0
    organic_later = planted.PURCHASE[campaign.product] * later / 365
    return planted.REACH * np.array(campaign.lift) * (1 - organic_later)


@cache
def effects_in_banks(seeds: range) -> pd.DataFrame:
    """campaign_effects over banks of 4,000 customers in their planted groups, with the truth."""
    with duckdb.connect(config={"threads": 2}) as connection:
        banks = [
            add_bank(connection, seed, f"{seed}-").assign(segmentation=f"world_{seed:02d}")
            for seed in seeds
        ]
        members = pd.concat(banks, ignore_index=True)
        members["segment_id"] = members["group"] + 1
        connection.register("members", members)
        connection.register(
            "campaigns", pd.concat([planted_campaigns(f"{seed}-") for seed in seeds])
        )
        connection.execute(BANKS)
        found = campaign_effects(connection)
    truths = {
        f"K{number + 1:02d}": true_effect(campaign)
        for number, campaign in enumerate(planted.CAMPAIGNS)
        if campaign.holdout
    }
    found["campaign"] = found["campaign_id"].str.split("-").str[1]
    by_group = [
        planted.SHARES @ truths[campaign] if pd.isna(segment) else truths[campaign][segment - 1]
        for campaign, segment in zip(found["campaign"], found["segment_id"], strict=True)
    ]
    # Campaigns move no payment.
    found["truth"] = np.where(found["outcome"] == "conversion", by_group, 0.0)
    kept = ("itt_effect", "unadjusted_effect", "pooled_effect")
    for name in kept:
        found[f"{name}_covers"] = found["truth"].between(
            found[f"{name}_low"], found[f"{name}_high"]
        )
    measured = found["effect_status"] == "measured"
    assert measured.mean() > 0.9
    return found[measured]


def cells(seeds: range, outcome: str) -> pd.DataFrame:
    found = effects_in_banks(seeds)
    return found[~found["is_all_customers"] & (found["outcome"] == outcome)]


def test_every_campaign_with_a_holdout_and_no_other_has_effects() -> None:
    found = effects_in_banks(SHORT)
    expected = {f"K{n + 1:02d}" for n, one in enumerate(planted.CAMPAIGNS) if one.holdout}
    assert set(found["campaign"]) == expected
    whole = found[found["is_all_customers"] & (found["outcome"] == "conversion")]
    gap = (whole["itt_effect"] - whole["truth"]) / whole["itt_effect"].std()
    assert abs(gap.mean()) < 1


@pytest.mark.parametrize("outcome", ["conversion", "revenue"])
def test_intervals_hold_the_planted_effect(outcome: str) -> None:
    found = cells(SHORT, outcome)
    assert len(found) > 60
    low, high = stats.binom.ppf([0.0005, 0.9995], len(found), LEVEL)
    for name in ("itt_effect", "unadjusted_effect"):
        assert low <= found[f"{name}_covers"].sum() <= high, name


def significant_zeros(found: pd.DataFrame, outcome: str) -> tuple[int, int]:
    """How many tests of a planted zero there are, and how many find something."""
    tested = found[(found["truth"] == 0) & found["p"].notna() & (found["outcome"] == outcome)]
    return len(tested), int((tested["p"] < 1 - LEVEL).sum())


ZERO_CAMPAIGNS, ZERO_CUSTOMERS, ZERO_BASE = 40, 2_400, 0.12
ZERO_INPUTS = """
create table as_of as select date '2026-06-30' as as_of_on;
create table stg_campaigns as
select distinct campaign_id, 'savings' as product, date '2026-01-01' as starts_on,
       date '2026-01-31' as ends_on, 0.3 as planned_holdout_share
from drawn;
create table stg_campaign_engagements as
select campaign_id, customer_id, date '2026-01-01' as occurred_on, is_holdout,
       0 as impressions, 0 as conversions, 0.0 as cost_amount
from drawn;
create table stg_customers as
select customer_id, date '2020-01-01' as joined_on, 1980 as birth_year from drawn;
create table customer_segments as
select 'planted' as segmentation, customer_id, segment_id from drawn;
create table int_segmentation_sources as
select 'planted' as segmentation, 'customers.region' as raw_column, cast(null as varchar) as cell;
create table stg_product_holdings as
select customer_id, 'savings' as product, date '2026-02-01' as opened_on,
       cast(null as date) as closed_on
from drawn where has_opened
union all
select customer_id, 'savings', date '2025-01-01', null from drawn where has_held
union all
select 'nobody', 'mortgage', date '2026-06-30', null;
create table stg_transactions
    (customer_id varchar, transaction_type varchar, transacted_on date, amount decimal(18, 2));
"""


@cache
def zero_conversions() -> pd.DataFrame:
    """Campaigns that move nobody, in four segments large enough that every test is made.

    Holders open again more often than others, so that the adjustment has something to do.
    """
    rng = np.random.default_rng(20260113)
    size = ZERO_CAMPAIGNS * ZERO_CUSTOMERS
    has_held = rng.random(size) < 0.4
    drawn = pd.DataFrame(
        {
            "customer_id": np.arange(size).astype(str),
            "campaign_id": (np.arange(size) // ZERO_CUSTOMERS).astype(str),
            "segment_id": rng.integers(1, 5, size),
            "is_holdout": rng.random(size) < 0.3,
            "has_held": has_held,
            "has_opened": rng.random(size) < np.where(has_held, 1.6, 0.6) * ZERO_BASE,
        }
    )
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("drawn", drawn)
        connection.execute(ZERO_INPUTS)
        found = campaign_effects(connection)
    return found[found["effect_status"] == "measured"].assign(truth=0.0)


@pytest.mark.parametrize("outcome", ["conversion", "revenue"])
def test_a_planted_zero_is_found_no_more_often_than_the_level_allows(outcome: str) -> None:
    """Conversions of the demo where nothing is planted are too few for a test; they are drawn."""
    worlds = {"conversion": zero_conversions, "revenue": lambda: effects_in_banks(SHORT)}
    tests, found = significant_zeros(worlds[outcome](), outcome)
    assert tests > 80
    # At most, and not because a test never finds anything.
    assert 0 < found <= stats.binom.ppf(0.99, tests, 1 - LEVEL)


def test_nearly_every_planted_zero_of_conversions_is_tested() -> None:
    found = zero_conversions()
    assert found["p"].notna().mean() > 0.99
    assert len(found) > 0.9 * 5 * ZERO_CAMPAIGNS


def zeros_in_words(outcome: str, found: pd.DataFrame) -> list[object]:
    tests, significant = significant_zeros(found, outcome)
    return [tests, significant, int(stats.binom.ppf(0.99, tests, 1 - LEVEL))]


def table_of(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def rows_of_cells(found: pd.DataFrame) -> Iterator[list[object]]:
    for campaign, own in [*found.groupby("campaign"), ("all", found)]:
        yield [
            campaign,
            len(own),
            f"{own['truth'].mean():.4f}",
            f"{own['itt_effect'].mean():.4f}",
            *(
                f"{100 * own[f'{name}_covers'].mean():.1f} %"
                for name in ("itt_effect", "unadjusted_effect")
            ),
            f"{100 * own.loc[own['pooled_effect'].notna(), 'pooled_effect_covers'].mean():.1f} %",
            int(own["is_small_cell"].sum()),
        ]


@pytest.mark.full
def test_planted_effects_lie_in_their_intervals_and_are_written_down() -> None:
    conversions, amounts = cells(ALL, "conversion"), cells(ALL, "revenue")
    for found in (conversions, amounts):
        for name in ("itt_effect", "unadjusted_effect"):
            assert 0.92 <= found[f"{name}_covers"].mean() <= 0.98, name
    zeros = {
        "conversions of the demo": zeros_in_words("conversion", effects_in_banks(ALL)),
        "conversions, drawn": zeros_in_words("conversion", zero_conversions()),
        "revenue of the demo": zeros_in_words("revenue", effects_in_banks(ALL)),
    }
    for tests, significant, limit in zeros.values():
        assert significant <= limit, tests
    raw, pooled = (
        ((conversions[name] - conversions["truth"]) ** 2)[conversions["pooled_effect"].notna()]
        for name in ("itt_effect", "pooled_effect")
    )
    assert pooled.mean() < raw.mean()
    head = [
        *("campaign", "cells", "planted, mean", "measured, mean", "adjusted covers"),
        *("unadjusted covers", "pooled covers", "small cells"),
    ]
    lines = [
        "# Effects of campaigns where the truth is known",
        "",
        "`make test-full` writes these tables anew.",
        "",
        f"The demo of {planted.DEMO_CUSTOMERS:,} customers drawn {len(ALL)} times, its customers in"
        " the groups they were drawn from; a cell is a campaign with a holdout in a group. The"
        " planted effect is that of being assigned, made from the generator's constants. Covers is"
        f" the share of cells whose {100 * LEVEL:g} % interval holds it.",
        "",
        "## Conversions",
        "",
        *table_of(head, rows_of_cells(conversions)),
        "",
        "The mean squared error of the pooled effects is"
        f" {100 * pooled.mean() / raw.mean():.0f} % of that of the effects cell by cell.",
        "",
        "## Revenue, which no campaign moves",
        "",
        *table_of(head, rows_of_cells(amounts)),
        "",
        "## Planted zeros",
        "",
        "Tests of an effect that is 0, of cells and of all customers together, and how many find"
        f" one at the level of {100 * (1 - LEVEL):g} %. In the demo hardly any cell with a zero has"
        " enough conversions for a test; so they are drawn:"
        f" {ZERO_CAMPAIGNS} campaigns of {ZERO_CUSTOMERS:,} customers in four segments,"
        f" {100 * ZERO_BASE:g} % of whom convert in either group.",
        "",
        *table_of(
            ["outcome", "tests", "significant", "at most by chance (99 % limit)"],
            [[name, *counts] for name, counts in zeros.items()],
        ),
        "",
        *adjustment_in_words(),
        "",
        *splits_in_words(),
        "",
    ]
    DOCS.write_text("\n".join(lines), encoding="utf-8", newline="\n")


# --- the split ---

SPLIT_CUSTOMERS, SPLITS, FAIR_CHANCE = 4_000, 100, VARS["sample_ratio_level"]
SPLIT_INPUTS = """
create table as_of as select date '2026-06-30' as as_of_on;
create table stg_campaigns as
select distinct campaign_id, 'savings' as product, date '2026-01-01' as starts_on,
       date '2026-01-31' as ends_on, planned as planned_holdout_share
from splits;
create table stg_campaign_engagements as
select campaign_id, customer_id, date '2026-01-01' as occurred_on, is_holdout, 0 as impressions,
       0 as conversions, 0.0 as cost_amount
from splits;
create table stg_customers as
select distinct customer_id, date '2020-01-01' as joined_on, 1980 as birth_year from splits;
create table stg_product_holdings
    (customer_id varchar, product varchar, opened_on date, closed_on date);
create table stg_transactions
    (customer_id varchar, transaction_type varchar, transacted_on date, amount decimal(18, 2));
"""


def invalid_splits(planned: float, lost_from: str, is_fixed: bool = False) -> int:
    """How many of SPLITS campaigns are invalid when 20 % of a group ('' for none) are missing.

    With `is_fixed` the arms have the planned sizes, as `make audience` draws them, and exactly
    20 % of one are missing; else who is held out, and who is missing, is each customer's own lot.
    """
    rng = np.random.default_rng([20260106, round(100 * planned), len(lost_from)])
    if is_fixed:
        place = rng.permuted(np.tile(np.arange(SPLIT_CUSTOMERS), (SPLITS, 1)), axis=1)
        held_out = round(planned * SPLIT_CUSTOMERS)
        is_holdout = place < held_out
        lost = {"": 0, "holdout": held_out, "treated": SPLIT_CUSTOMERS - held_out}[lost_from]
        # From the inner end of the arm's places, which the lot gave out.
        first = held_out if lost_from == "treated" else 0
        kept = ~((place >= first) & (place < first + round(0.2 * lost)))
    else:
        is_holdout = rng.random((SPLITS, SPLIT_CUSTOMERS)) < planned
        hit = {"": False, "holdout": is_holdout, "treated": ~is_holdout}[lost_from]
        kept = ~(hit & (rng.random(is_holdout.shape) < 0.2))
    campaign, customer = np.nonzero(kept)
    splits = pd.DataFrame(
        {
            "campaign_id": campaign.astype(str),
            "customer_id": customer.astype(str),
            "is_holdout": is_holdout[kept],
            "planned": planned,
        }
    )
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("splits", splits)
        connection.execute(SPLIT_INPUTS)
        build_model(connection, "int_campaign_checks")
        found = connection.sql("select campaign_status from int_campaign_checks").df()
    assert len(found) == SPLITS
    return int((found["campaign_status"] == "invalid_assignment").sum())


def chance_to_catch(planned: float, lost_from: str) -> float:
    """Normal approximation of the chance that a split with 20 % of a group missing is invalid."""
    keep = np.array([0.8 if lost_from == "treated" else 1.0, 0.8 if lost_from == "holdout" else 1])
    share = keep * [1 - planned, planned]
    score = np.array([-planned, 1 - planned])
    mean = share @ score
    spread = np.sqrt(share @ score**2 - mean**2)
    limit = stats.norm.isf(VARS["sample_ratio_level"] / 2)
    limit *= np.sqrt(share.sum() * planned * (1 - planned))
    return float(stats.norm.cdf((abs(mean) * np.sqrt(SPLIT_CUSTOMERS) - limit) / spread))


@pytest.mark.parametrize("lost_from", ["holdout", "treated"])
@pytest.mark.parametrize("planned", [0.2, 0.5])
def test_a_broken_split_is_always_caught(planned: float, lost_from: str) -> None:
    assert invalid_splits(planned, lost_from, is_fixed=True) == SPLITS


@pytest.mark.parametrize("lost_from", ["holdout", "treated"])
def test_a_broken_split_of_single_lots_is_caught_at_its_rate(lost_from: str) -> None:
    """Where each customer has a lot of their own: of a fifth held out 997 in 1,000."""
    chance = chance_to_catch(0.2, lost_from)
    assert chance > 0.99
    assert invalid_splits(0.2, lost_from) >= stats.binom.ppf(0.001, SPLITS, chance)


def test_a_fair_split_is_flagged_at_the_stated_rate() -> None:
    flagged = invalid_splits(0.2, "") + invalid_splits(0.5, "")
    assert flagged <= stats.binom.ppf(0.999, 2 * SPLITS, VARS["sample_ratio_level"])
    assert invalid_splits(0.2, "", is_fixed=True) == 0


def splits_in_words() -> list[str]:
    rows = [
        [
            f"{planned:g}",
            lost_from or "nobody",
            invalid_splits(planned, lost_from, is_fixed=True),
            invalid_splits(planned, lost_from),
            f"{100 * (chance_to_catch(planned, lost_from) if lost_from else FAIR_CHANCE):.1f} %",
        ]
        for planned in (0.2, 0.5)
        for lost_from in ("", "holdout", "treated")
    ]
    head = [
        *("held out", "20 % are missing from", f"invalid of {SPLITS}, arms of fixed size"),
        *(f"invalid of {SPLITS}, a lot each", "chance with a lot each"),
    ]
    return [
        "## Splits",
        "",
        f"{SPLITS} campaigns of {SPLIT_CUSTOMERS:,} customers a row; a split is invalid below a p"
        f" of {VARS['sample_ratio_level']:g}. Arms of fixed size, as `make audience` draws them,"
        " miss exactly 20 %; with a lot for each customer sizes vary, and a split in a few hundred"
        " looks right by chance.",
        "",
        *table_of(head, rows),
    ]


# --- the adjustment ---

SEGMENTS, SEGMENT_CUSTOMERS, EFFECT, HOLDOUT_MEAN = 400, 400, 8.0, 100.0
ADJUSTED_INPUTS = """
create table as_of as select date '2026-06-30' as as_of_on;
create table stg_campaigns as
select 'K' as campaign_id, 'savings' as product, date '2026-01-01' as starts_on,
       date '2026-01-31' as ends_on, 0.3 as planned_holdout_share;
create table stg_campaign_engagements as
select 'K' as campaign_id, customer_id, date '2026-01-01' as occurred_on, is_holdout,
       0 as impressions, 0 as conversions, 0.0 as cost_amount
from drawn;
create table stg_customers as
select customer_id, date '2020-01-01' as joined_on, 1980 as birth_year from drawn;
create table customer_segments as
select 'planted' as segmentation, customer_id, segment_id from drawn;
create table int_segmentation_sources as
select 'planted' as segmentation, 'customers.region' as raw_column, cast(null as varchar) as cell;
create table stg_product_holdings
    (customer_id varchar, product varchar, opened_on date, closed_on date);
create table stg_transactions as
select customer_id, 'payment' as transaction_type, date '2025-12-01' as transacted_on,
       before as amount
from drawn
union all
select customer_id, 'payment', date '2026-02-01', after from drawn
union all
select 'nobody', 'payment', date '2026-06-30', 1;
"""


@cache
def adjusted_effects(explained: float) -> pd.DataFrame:
    """Segments whose amounts before the start explain a share of the variance of those after it."""
    rng = np.random.default_rng(20260107)
    size = SEGMENTS * SEGMENT_CUSTOMERS
    before = rng.gamma(4.0, 25.0, size)
    is_holdout = rng.random(size) < 0.3
    own = rng.gamma(4.0, 25.0, size)
    after = HOLDOUT_MEAN + EFFECT * ~is_holdout
    after += np.sqrt(explained) * (before - 100) + np.sqrt(1 - explained) * (own - 100)
    drawn = pd.DataFrame(
        {
            "customer_id": np.arange(size).astype(str),
            "segment_id": np.arange(size) // SEGMENT_CUSTOMERS + 1,
            "is_holdout": is_holdout,
            "before": before,
            "after": after,
        }
    )
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("drawn", drawn)
        connection.execute(ADJUSTED_INPUTS)
        found = campaign_effects(connection)
    found = found[(found["outcome"] == "revenue") & ~found["is_all_customers"]]
    assert len(found) == SEGMENTS
    return found


EXPLAINED = 0.64


def test_the_adjustment_takes_away_what_behaviour_before_explains() -> None:
    found = adjusted_effects(EXPLAINED)
    assert found["variance_reduction"].mean() == pytest.approx(EXPLAINED, abs=0.02)
    seen = found["itt_effect"].var() / found["unadjusted_effect"].var()
    # Of two variances that share part of their noise; twice the error of their ratio in between.
    assert seen == pytest.approx(1 - EXPLAINED, abs=0.1)


def test_the_adjustment_does_not_bias() -> None:
    found = adjusted_effects(EXPLAINED)
    error = found["itt_effect"].std() / np.sqrt(SEGMENTS)
    assert abs(found["itt_effect"].mean() - EFFECT) < 3.5 * error
    # The true effects are all one and the same.
    assert found["heterogeneity_p"].iloc[0] > 0.001
    covered = (found["pooled_effect_low"] <= EFFECT) & (found["pooled_effect_high"] >= EFFECT)
    assert covered.mean() > 0.9
    assert found["pooled_effect"].std() < found["itt_effect"].std() / 2


SHARES_EXPLAINED = (0.0, EXPLAINED, 0.9)
TRUTHS = {"itt_effect": EFFECT, "relative_effect": EFFECT / HOLDOUT_MEAN}


def held_by(name: str, explained: float) -> int:
    """How many segments' intervals hold the planted effect."""
    found, truth = adjusted_effects(explained), TRUTHS[name]
    return int(((found[f"{name}_low"] <= truth) & (found[f"{name}_high"] >= truth)).sum())


@pytest.mark.parametrize("explained", SHARES_EXPLAINED)
@pytest.mark.parametrize("name", TRUTHS)
def test_intervals_hold_however_much_is_adjusted(name: str, explained: float) -> None:
    """The noise of a ratio is that of both adjusted means, not of their difference over one."""
    low, high = stats.binom.ppf([0.0005, 0.9995], SEGMENTS, LEVEL)
    assert low <= held_by(name, explained) <= high


def adjustment_in_words() -> list[str]:
    rows = [
        [
            f"{100 * explained:g} %",
            f"{100 * adjusted_effects(explained)['variance_reduction'].mean():.1f} %",
            *(f"{100 * held_by(name, explained) / SEGMENTS:.1f} %" for name in TRUTHS),
        ]
        for explained in SHARES_EXPLAINED
    ]
    head = [
        *("explained before", "variance reduction, mean"),
        *("effect covers", "relative effect covers"),
    ]
    return [
        "## The adjustment",
        "",
        f"{SEGMENTS} segments of {SEGMENT_CUSTOMERS} customers a row whose amounts before the start"
        " explain a share of the variance of those after it; the planted effect is"
        f" {EFFECT:g}, or {100 * EFFECT / HOLDOUT_MEAN:g} %.",
        "",
        *table_of(head, rows),
    ]
