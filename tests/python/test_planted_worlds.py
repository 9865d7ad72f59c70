"""Claims of difference end to end, on worlds where it is known which of them are true.

Many worlds are segmentations of one run: the warehouse's own SQL, from staged rows to verdicts, on
a bare DuckDB. Three seeds of the demo; all 20 under the mark `full`, which also writes the tables
of the docs. Noise takes 20 worlds always: they share one demo and are cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from evidence_sql import build, create_empty, documented_columns, models_for, tables_of
from planted_banks import add_bank
from rendering import ROOT, project_vars
from scipy import stats

from benchmarks import planted
from benchmarks.figures import Figure, true_figures
from benchmarks.planted import Floats

SHORT = range(1, 4)
ALL = range(1, 21)
VARS = project_vars()
NOMINAL = 1 - VARS["confidence_level"]
# Of customers: card accounts have a model of sums of their own.
METRICS = pd.DataFrame([metric for metric in VARS["metrics"] if "sums_in" not in metric])
KEYS = ["mart", "metric", "cell", "segment", "compared_with"]
TRUE_CUSTOMERS, TRUE_SEED = 200_000, 0

DOCS = ROOT / "docs" / "planted_worlds.md"
VERDICTS = ["supported", "unsupported", "negligible", "contradicted", "not_identifiable"]

INPUTS = f"""
create table as_of as
select date '2026-06-30' as as_of_on, 'given' as as_of_method,
       date '2026-06-30' - {VARS["window_days"]} as window_starts_after;
create table channels as select * from read_csv('{ROOT / "seeds" / "channels.csv"}');
create table impression_bands as
select * from read_csv('{ROOT / "seeds" / "impression_bands.csv"}', all_varchar = true);
create table stg_customers as
select distinct on (customer_id) * from raw_customers order by customer_id, updated_at desc;
create table stg_transactions as
select *, cast(transacted_at as date) as transacted_on from raw_transactions;
create table stg_campaign_engagements as from raw_campaign_engagements;
create table stg_product_holdings as from raw_product_holdings;
create table stg_digital_sessions as from raw_digital_sessions;
create table segments as
select segmentation, 'customer' as grain, segment_id, segment_name, count(*) as entity_count,
       cast(null as boolean) as no_structure_found
from customer_segments group by all;
-- Nothing that is judged went into these groups.
create table int_segmentation_sources as
select distinct segmentation, 'region' as feature, 'customers.region' as raw_column,
       cast(null as varchar) as cell
from customer_segments;
"""

# Every comparison the warehouse makes, claimed both ways, and every first and last place.
CLAIMS = """
create table compared as
select differences.segmentation, differences.mart, differences.metric, differences.cell,
       own.segment_name as segment,
       case compared_with when 'rest' then 'rest' else other.segment_name end as compared_with,
       differences.difference, differences.p, differences.family
from segment_differences as differences
join segments as own using (segmentation, segment_id)
left join segments as other
    on other.segmentation = differences.segmentation
    and other.segment_id = differences.other_segment_id;
insert into stg_claims by name
with sentences as (
    select * exclude (difference, p, family), unnest(['more_than', 'less_than']) as claim_type
    from compared
    union all by name
    select distinct segmentation, mart, metric, cell, segment,
           unnest(['highest', 'lowest']) as claim_type
    from compared
)
select row_number() over () as claim_id, 'test' as source, 'generated' as sentence,
       sentences.* exclude (cell), {cells}
from sentences;
"""

JUDGED = """
select claims.segmentation, claims.mart, claims.metric, coalesce(verdicts.cell, '') as cell,
       claims.segment, coalesce(claims.compared_with, '') as compared_with, claims.claim_type,
       verdicts.verdict, compared.difference, compared.p, compared.family
from stg_claims as claims
join int_claim_verdicts as verdicts using (claim_id)
left join compared
    on claims.segmentation = compared.segmentation and claims.mart = compared.mart
    and claims.metric = compared.metric and claims.segment = compared.segment
    and claims.compared_with = compared.compared_with
    and verdicts.cell is not distinct from compared.cell
order by all
"""

# Columns that are not text, of models without a contract.
UNTYPED = dict.fromkeys(
    (
        *("figure", "tolerance", "figure_low", "figure_high", "share", "share_low", "share_high"),
        *("largest_reversal", "largest_reversal_low", "largest_reversal_high"),
        *("customers_less_channels", "customers_less_channels_low", "customers_less_channels_high"),
        "adjusted_p",
    ),
    "double",
) | {"customer_count": "bigint", "segment_id": "bigint", "is_small_cell": "boolean"}


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    yield
    for kept in (claims_on_noise, claims_on_planted_groups, figures_of, true_differences):
        kept.cache_clear()


def never_read() -> set[str]:
    """What the SQL of claims names, and no claim of difference reads: stands there empty."""
    evidence = {path.stem for path in (ROOT / "models" / "evidence").rglob("*.sql")}
    marts = {
        name
        for name, columns in documented_columns().items()
        if name in evidence and columns and all(columns.values())
    }
    python = {path.stem for path in (ROOT / "python_models").glob("*.py")}
    others = {"stg_segment_labels", "stg_campaigns", "segment_profiles"}
    others |= {"int_channel_purchase_strata", "int_product_pair_cells", "int_card_segment_sums"}
    return (marts - {"segment_differences", "claim_verdicts"}) | python | others


def judged(
    connection: duckdb.DuckDBPyConnection, members: pd.DataFrame, root: Path = ROOT
) -> pd.DataFrame:
    """Claim every difference and have it judged.

    Args:
        connection: has the raw tables.
        members: one row per segmentation and customer: segmentation, customer_id, group.
        root: the project whose models and macros judge.

    Returns:
        One row per claim: what it says, its verdict, and the comparison that it names.
    """
    members = members.assign(
        segment_id=members["group"] + 1,
        segment_name=np.array(planted.GROUPS)[members["group"]],
    )
    connection.execute("create table customer_segments as from members")
    connection.execute(INPUTS)
    for name in sorted(never_read() | {"stg_claims"}):
        create_empty(connection, name, UNTYPED)
    build(connection, models_for("segment_differences", tables_of(connection), root), root)
    cells = METRICS.groupby("cell")["mart"].unique()
    connection.execute(
        CLAIMS.format(
            cells=", ".join(
                f"case when mart in {tuple([*marts, ''])} then cell end as {column}"
                for column, marts in cells.items()
            )
        )
    )
    build(connection, models_for("int_claim_verdicts", tables_of(connection), root), root)
    return connection.sql(JUDGED).df()


@cache
def claims_on_noise(seeds: range, root: Path = ROOT) -> pd.DataFrame:
    """The demo's customers with their outcomes, dealt anew into groups of the same sizes."""
    with duckdb.connect(config={"threads": 2}) as connection:
        customers = add_bank(connection, planted.DEFAULT_SEED)
        worlds = [
            customers.assign(
                segmentation=f"world_{seed:02d}",
                group=np.random.default_rng(seed).permutation(customers["group"]),
            )
            for seed in seeds
        ]
        return judged(connection, pd.concat(worlds, ignore_index=True), root)


@cache
def claims_on_planted_groups(seeds: range, root: Path = ROOT) -> pd.DataFrame:
    """A bank a seed, its customers in the groups they were drawn from."""
    with duckdb.connect(config={"threads": 2}) as connection:
        worlds = [
            add_bank(connection, seed, f"{seed}-").assign(segmentation=f"world_{seed:02d}")
            for seed in seeds
        ]
        return judged(connection, pd.concat(worlds, ignore_index=True), root)


@cache
def figures_of(customers: int, seed: int) -> dict[Figure, tuple[Floats, Floats]]:
    return true_figures(customers, seed)


@cache
def true_differences(customers: int, seed: int) -> pd.DataFrame:
    """Every comparison with its true difference, and how many smallest differences that is."""
    rows = []
    for figure, (numerators, denominators) in figures_of(customers, seed).items():
        values = numerators / denominators
        rests = (numerators.sum() - numerators) / (denominators.sum() - denominators)
        for number, segment in enumerate(planted.GROUPS):
            others = {name: value for name, value in zip(planted.GROUPS, values, strict=True)} | {
                "rest": rests[number]
            }
            for other, value in others.items():
                if other != segment:
                    rows.append((*figure, segment, other, values[number] - value))
    found = pd.DataFrame(rows, columns=[*KEYS, "true_difference"])
    smallest = METRICS[["mart", "metric", "smallest_difference"]]
    found = found.merge(smallest, on=["mart", "metric"], validate="m:1")
    return found.assign(times=found["true_difference"].abs() / found["smallest_difference"])


def planted_claims(seeds: range, root: Path = ROOT) -> pd.DataFrame:
    """Claims that are true by at least twice the smallest difference worth acting on.

    A segment and another are one claim, that the higher has more; a segment is the highest (lowest)
    where it lies so far above (below) each other one.
    """
    claims = claims_on_planted_groups(seeds, root)
    truth = true_differences(TRUE_CUSTOMERS, TRUE_SEED)
    large = truth[truth["times"] >= 2]
    more = large[large["true_difference"] > 0].assign(claim_type="more_than")
    less = large[(large["true_difference"] < 0) & (large["compared_with"] == "rest")]
    pairs = large[large["compared_with"] != "rest"]
    places = [
        pairs[sign * pairs["true_difference"] > 0]
        .groupby(KEYS[:-1], as_index=False)
        .filter(lambda rivals: len(rivals) == len(planted.GROUPS) - 1)
        .sort_values("times")
        .drop_duplicates(KEYS[:-1])
        .assign(claim_type=claim_type, compared_with="")
        for sign, claim_type in ((1, "highest"), (-1, "lowest"))
    ]
    true = pd.concat([more, less.assign(claim_type="less_than"), *places])
    return claims.merge(true, on=[*KEYS, "claim_type"], validate="m:1")


def test_true_figures_are_those_of_the_marts() -> None:
    """The same bank counted twice: by the warehouse, and from the generator's arrays."""
    found = claims_on_planted_groups(SHORT)
    found = found[(found["segmentation"] == "world_01") & (found["claim_type"] == "more_than")]
    both = found.merge(true_differences(planted.DEMO_CUSTOMERS, 1), on=KEYS, how="left")
    assert both.groupby(["mart", "metric"]).ngroups == len(METRICS)
    known = both["difference"].notna()
    assert known.mean() > 0.9
    assert list(both["difference"][known]) == pytest.approx(
        list(both["true_difference"][known]), rel=1e-9, abs=1e-12
    )


def test_true_figures_are_what_was_planted() -> None:
    found = figures_of(TRUE_CUSTOMERS, TRUE_SEED)
    for number, channel in enumerate(planted.CHANNELS):
        clicks, impressions = found[Figure("segment_channel_engagement", "ctr", channel)]
        assert list(clicks / impressions) == pytest.approx(list(planted.CTR[:, number]), rel=0.05)
    buyers, customers = found[Figure("segment_product_ownership", "purchase_rate", "insurance")]
    product = planted.PRODUCTS.index("insurance")
    assert list(buyers / customers) == pytest.approx(list(planted.PURCHASE[product]), rel=0.05)


def families_found(claims: pd.DataFrame) -> pd.Series[bool]:
    """By segmentation and family: whether any claim is supported."""
    tested = claims[claims["p"].notna()]
    return (
        (tested["verdict"] == "supported").groupby([tested["segmentation"], tested["family"]]).any()
    )


def most_by_chance(count: int) -> int:
    """The 99 % limit of how many of `count` independent true nulls may be found at the level."""
    return int(stats.binom.ppf(0.99, count, NOMINAL))


def test_noise_supports_no_more_claims_than_the_level_allows() -> None:
    """A family (a question in a segmentation) is what the adjustment keeps to the level: chance may
    find anything at all in one of 20. Those of one world share customers, and the limit is taken
    as if they did not, which is the stricter one.
    """
    claims = claims_on_noise(ALL)
    assert (claims["verdict"] == "supported").mean() <= NOMINAL
    families = families_found(claims)
    assert len(families) == len(ALL) * len(METRICS)
    assert families.sum() <= most_by_chance(len(families))


def test_noise_is_as_variable_as_the_errors_say() -> None:
    """Squared z of the comparisons has mean 1; the limit comes from the spread between worlds."""
    claims = claims_on_noise(ALL)
    tested = claims[(claims["claim_type"] == "more_than") & claims["p"].notna()]
    squares = pd.Series(stats.norm.isf(tested["p"] / 2) ** 2, tested.index)
    by_world = squares.groupby([tested["metric"], tested["segmentation"]]).mean().unstack()
    error = by_world.std(axis=1) / len(ALL) ** 0.5
    too_much = by_world.mean(axis=1) - 1 > 4 * error
    assert not too_much.any(), by_world.mean(axis=1)[too_much]


def found_share(claims: pd.DataFrame) -> float:
    return float((claims["verdict"] == "supported").mean())


def assert_planted_differences_are_found(seeds: range) -> None:
    claims = planted_claims(seeds)
    assert not (claims["verdict"] == "contradicted").any()
    # Cells that rest on few customers or events get no verdict; the table of the docs counts them.
    assert found_share(claims[claims["verdict"] != "not_identifiable"]) >= 0.95


def test_planted_differences_are_found() -> None:
    assert_planted_differences_are_found(SHORT)


def table_of(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def rows_of_noise(claims: pd.DataFrame) -> Iterator[list[object]]:
    families = families_found(claims)
    for world, group in [*claims.groupby("segmentation"), ("all", claims)]:
        found = families if world == "all" else families[world]
        verdicts = group["verdict"].value_counts()
        yield [
            str(world).replace("_", " "),
            *(f"{count:,}" for count in (len(group), *verdicts.reindex(VERDICTS, fill_value=0))),
            f"{found.sum()} of {len(found)}",
        ]


def rows_of_planted(claims: pd.DataFrame) -> Iterator[list[object]]:
    parts = [(f"{mart}: {metric}", group) for (mart, metric), group in claims.groupby(KEYS[:2])]
    for figure, group in [*parts, ("all", claims)]:
        told = group[group["verdict"] != "not_identifiable"]
        counts = group["verdict"].value_counts().reindex(VERDICTS, fill_value=0)
        shares = (f"{100 * found_share(part):.1f} %" for part in (group, told))
        yield [figure, f"{len(group):,}", *(f"{count:,}" for count in counts), *shares]


def rows_of_missed(claims: pd.DataFrame) -> Iterator[list[object]]:
    """Per figure the differences found in fewer than 19 of 20 worlds."""
    found = claims.assign(
        supported=claims["verdict"] == "supported",
        small=claims["verdict"] == "not_identifiable",
    )
    sums = found.groupby([*KEYS, "claim_type"]).agg(
        supported=("supported", "sum"),
        small=("small", "sum"),
        difference=("true_difference", "first"),
        smallest=("smallest_difference", "first"),
    )
    for key, row in sums[sums["supported"] < 0.95 * len(ALL)].iterrows():
        mart, metric, cell, segment, other, claim_type = key
        yield [
            f"{mart}: {metric} {cell}".strip(),
            f"{segment} {claim_type.replace('_', ' ')} {other}".strip(),
            f"{row['difference']:.4g}",
            f"{row['smallest']:g}",
            f"{row['supported']:.0f}",
            f"{row['small']:.0f}",
        ]


@pytest.mark.full
def test_all_planted_differences_are_found_and_written_down() -> None:
    assert_planted_differences_are_found(ALL)
    noise, claims = claims_on_noise(ALL), planted_claims(ALL)
    families = len(families_found(noise))
    words = [verdict.replace("_", " ") for verdict in VERDICTS]
    lines = [
        "# Claims of difference where the truth is known",
        "",
        "`make test-full` writes these tables anew. Claimed is everything that can be: each segment"
        " more and less than each other one and than the rest, highest and lowest, for every figure"
        " of `dbt_project.yml`; the warehouse's own SQL judges, from staged rows to verdicts.",
        "",
        "## Noise",
        "",
        f"The demo's {planted.DEMO_CUSTOMERS:,} customers with their outcomes, dealt at random into"
        f" groups of the demo's sizes, {len(ALL)} times. No claim is true. A question in a"
        " segmentation is one family, within which p is adjusted, so chance may support anything at"
        f" all in 1 family of 20: of {families}, at most {most_by_chance(families)} (99 % limit).",
        "",
        *table_of(
            ["world", "claims", *words, "families with a supported claim"], rows_of_noise(noise)
        ),
        "",
        "## Planted differences",
        "",
        f"The demo drawn {len(ALL)} times, its customers in the groups they were drawn from."
        " Claimed is what is true by at least twice the smallest difference worth acting on; the"
        f" true value of a figure is that among {TRUE_CUSTOMERS:,} customers. Found is the share"
        " supported: of all cells, and of those large enough for a verdict. Conversions are no"
        " planted figure: they follow from clicks, and few cells of the demo have the events that a"
        " verdict asks for.",
        "",
        *table_of(
            ["figure", "cells", *words, "found of all", "found of told"], rows_of_planted(claims)
        ),
        "",
        f"Differences supported in fewer than {0.95 * len(ALL):.0f} of {len(ALL)} worlds:",
        "",
        *table_of(
            ["figure", "claim", "true difference", "smallest", "supported", "cell too small"],
            rows_of_missed(claims),
        ),
    ]
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text("\n".join(lines) + "\n", encoding="utf-8")
