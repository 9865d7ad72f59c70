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
from effects_sql import campaign_effects
from evidence_sql import build, models_for, tables_of
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
    for kept in (effects_in_banks, adjusted_effects):
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


@pytest.mark.parametrize("outcome", ["conversion", "purchase_amount"])
def test_intervals_hold_the_planted_effect(outcome: str) -> None:
    found = cells(SHORT, outcome)
    assert len(found) > 60
    low, high = stats.binom.ppf([0.0005, 0.9995], len(found), LEVEL)
    for name in ("itt_effect", "unadjusted_effect"):
        assert low <= found[f"{name}_covers"].sum() <= high, name


def significant_zeros(seeds: range) -> tuple[int, int]:
    """How many tests of a planted zero there are, and how many find something."""
    found = effects_in_banks(seeds)
    tested = found[(found["truth"] == 0) & found["p"].notna()]
    return len(tested), int((tested["p"] < 1 - LEVEL).sum())


def test_a_planted_zero_is_found_no_more_often_than_the_level_allows() -> None:
    tests, found = significant_zeros(SHORT)
    assert tests > 80
    assert found <= stats.binom.ppf(0.999, tests, 1 - LEVEL)


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
    conversions, amounts = cells(ALL, "conversion"), cells(ALL, "purchase_amount")
    for found in (conversions, amounts):
        for name in ("itt_effect", "unadjusted_effect"):
            assert 0.92 <= found[f"{name}_covers"].mean() <= 0.98, name
    tests, significant = significant_zeros(ALL)
    assert significant <= stats.binom.ppf(0.99, tests, 1 - LEVEL)
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
        "## Amounts of purchases, which no campaign moves",
        "",
        *table_of(head, rows_of_cells(amounts)),
        "",
        "## Planted zeros",
        "",
        f"Of {tests:,} tests of an effect that is 0 (cells and all customers together),"
        f" {significant} find one at the level of {100 * (1 - LEVEL):g} %; by chance it would be"
        f" at most {int(stats.binom.ppf(0.99, tests, 1 - LEVEL))} (99 % limit).",
        "",
        *splits_in_words(),
        "",
    ]
    DOCS.write_text("\n".join(lines), encoding="utf-8", newline="\n")


# --- the split ---

SPLIT_CUSTOMERS, SPLITS = 4_000, 100
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


def invalid_splits(planned: float, lost_from: str) -> int:
    """How many of SPLITS campaigns are invalid when 20 % of a group ('' for none) are missing."""
    rng = np.random.default_rng([20260106, round(100 * planned), len(lost_from)])
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
        build(connection, models_for("int_campaign_checks", tables_of(connection)))
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
def test_a_broken_split_is_caught(lost_from: str) -> None:
    """In halves always; with a fifth held out as good as always (997 in 1,000)."""
    assert invalid_splits(0.5, lost_from) == SPLITS
    chance = chance_to_catch(0.2, lost_from)
    assert chance > 0.99
    assert invalid_splits(0.2, lost_from) >= stats.binom.ppf(0.001, SPLITS, chance)


def test_a_fair_split_is_flagged_at_the_stated_rate() -> None:
    flagged = invalid_splits(0.2, "") + invalid_splits(0.5, "")
    assert flagged <= stats.binom.ppf(0.999, 2 * SPLITS, VARS["sample_ratio_level"])


def splits_in_words() -> list[str]:
    rows = [
        [f"{planned:g}", lost_from or "nobody", invalid_splits(planned, lost_from)]
        for planned in (0.2, 0.5)
        for lost_from in ("", "holdout", "treated")
    ]
    return [
        "## Splits",
        "",
        f"{SPLITS} campaigns of {SPLIT_CUSTOMERS:,} customers a row; a split is invalid below a p"
        f" of {VARS['sample_ratio_level']:g}.",
        "",
        *table_of(["held out", "20 % are missing from", f"invalid of {SPLITS}"], rows),
    ]


# --- the adjustment ---

SEGMENTS, SEGMENT_CUSTOMERS, EFFECT = 150, 400, 8.0
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
select customer_id, 'payment', date '2026-02-01', after from drawn;
"""


@cache
def adjusted_effects() -> pd.DataFrame:
    """Segments whose amounts before the start explain 64 % of the variance of those after it."""
    rng = np.random.default_rng(20260107)
    size = SEGMENTS * SEGMENT_CUSTOMERS
    before = rng.gamma(4.0, 25.0, size)
    is_holdout = rng.random(size) < 0.3
    own = rng.gamma(4.0, 25.0, size)
    after = 100 + 0.8 * (before - 100) + 0.6 * (own - 100) + EFFECT * ~is_holdout
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
    found = found[(found["outcome"] == "purchase_amount") & ~found["is_all_customers"]]
    assert len(found) == SEGMENTS
    return found


def test_the_adjustment_takes_away_what_behaviour_before_explains() -> None:
    found = adjusted_effects()
    assert found["variance_reduction"].mean() == pytest.approx(0.64, abs=0.02)
    seen = found["itt_effect"].var() / found["unadjusted_effect"].var()
    # Of two variances that share part of their noise; twice the error of their ratio in between.
    assert seen == pytest.approx(0.36, abs=0.15)


def test_the_adjustment_does_not_bias() -> None:
    found = adjusted_effects()
    error = found["itt_effect"].std() / np.sqrt(SEGMENTS)
    assert abs(found["itt_effect"].mean() - EFFECT) < 3.5 * error
    held = ((found["itt_effect_low"] <= EFFECT) & (found["itt_effect_high"] >= EFFECT)).sum()
    low, high = stats.binom.ppf([0.0005, 0.9995], SEGMENTS, LEVEL)
    assert low <= held <= high
    # The true effects are all one and the same.
    assert found["heterogeneity_p"].iloc[0] > 0.001
    covered = (found["pooled_effect_low"] <= EFFECT) & (found["pooled_effect_high"] >= EFFECT)
    assert covered.mean() > 0.9
    assert found["pooled_effect"].std() < found["itt_effect"].std() / 2
