"""How often the warehouse's 95 % intervals hold the truth, measured on made-up customers.

Every draw is a segment of customers whose true figures are known; beside it stands another segment
of a different shape, so that each interval of a difference is measured too. The draws become rows
of int_metric_cells, and intervals and verdicts come from the project's own models. The short form
runs a few shapes and sizes; the long one all of them, and writes docs/interval_coverage.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from rendering import render, render_model
from scipy import stats

SEED = 20260630
TABLE = Path(__file__).resolve().parents[2] / "docs" / "interval_coverage.md"
SIZES = (30, 100, 300, 1_000, 3_000)
CHUNK = 1_000_000
MEAN_AMOUNT = 50.0

Customers = Mapping[str, np.ndarray]
Draw = Callable[[np.random.Generator, tuple[int, int]], Customers]


@dataclass(frozen=True)
class Figure:
    """A figure of a shape: its kind, the customers' numbers it is made from, and its truth."""

    metric: str
    kind: str
    y: str
    truth: float
    x: str | None = None
    events: str = "y"
    only_active: bool = False
    is_amount: bool = False


@dataclass(frozen=True)
class Shape:
    """Customers of one kind: how they are drawn (draws by customers), and their figures."""

    name: str
    draw: Draw
    figures: tuple[Figure, ...]


def engagement(name: str, rate: float, sameness: float, impressions: float, shape: float) -> Shape:
    """Gamma-distributed impressions, and clicks of customers who each have a rate of their own.

    Args:
        name: the shape in words.
        rate: mean click-through rate.
        sameness: sum of the beta distribution's parameters; the smaller, the more customers differ.
        impressions: mean of them, at least 1 each.
        shape: of the gamma distribution of impressions.
    """

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Customers:
        seen = 1 + rng.poisson(rng.gamma(shape, impressions / shape, size))
        clicks = rng.binomial(seen, rng.beta(rate * sameness, (1 - rate) * sameness, size))
        return {"clicks": clicks, "impressions": seen, "ctr": clicks / seen}

    return Shape(
        name,
        draw,
        (
            Figure("click-through rate", "ratio", "clicks", rate, x="impressions"),
            Figure("mean of customers' click-through rates", "mean", "ctr", rate, events="clicks"),
        ),
    )


def amounts(
    name: str, none: float, count: float, count_shape: float, evenness: float, spread: float
) -> Shape:
    """Gamma-Poisson transactions, of gamma amounts within and log-normal ones between customers.

    Args:
        name: the shape in words.
        none: share of customers who never have a transaction.
        count: mean transactions of the others.
        count_shape: of the gamma distribution of their rates.
        evenness: gamma shape of a customer's own amounts.
        spread: standard deviation of the logarithm of customers' mean amounts.
    """
    active = (1 - none) * (1 - (1 + count / count_shape) ** -count_shape)
    per_customer = (1 - none) * count * MEAN_AMOUNT

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Customers:
        counts = rng.poisson(rng.gamma(count_shape, count / count_shape, size))
        counts *= rng.random(size) >= none
        centre = math.log(MEAN_AMOUNT) - spread**2 / 2
        own = np.exp(rng.normal(centre, spread, size))
        totals = own * rng.standard_gamma(np.maximum(counts * evenness, 1e-9)) / evenness
        return {"counts": counts, "amounts": np.where(counts > 0, totals, 0.0)}

    amount = {"is_amount": True, "events": "active"}
    return Shape(
        name,
        draw,
        (
            Figure("transactions per customer", "mean", "counts", (1 - none) * count),
            Figure("amount per customer", "mean", "amounts", per_customer, **amount),
            Figure(
                "amount per active customer",
                "mean",
                "amounts",
                per_customer / active,
                only_active=True,
                **amount,
            ),
            Figure(
                "amount per transaction",
                "ratio",
                "amounts",
                MEAN_AMOUNT,
                x="counts",
                is_amount=True,
                events="counts",
            ),
        ),
    )


def buyers(name: str, rate: float) -> Shape:
    """Customers of whom a share buys."""

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> Customers:
        return {"bought": rng.random(size) < rate}

    return Shape(name, draw, (Figure("share of buyers", "proportion", "bought", rate),))


# Shapes of one family stand beside the one before them in intervals of differences.
SHORT = (
    (
        engagement("5 % click, customers alike", 0.05, 40, 20, 1.5),
        engagement("2 % click, customers far apart", 0.02, 3, 20, 0.7),
    ),
    (
        amounts("even amounts, as in the studies", 0.1, 4, 4, 2.5, 0.1),
        amounts("skewed amounts, as in the demo", 0.1, 4, 2, 2, 0.5),
        amounts("half without, log-normal amounts", 0.5, 4, 1, 1, 1.0),
    ),
    (buyers("1 in 10 buys", 0.1), buyers("4 in 10 buy", 0.4)),
)
MORE = (
    (
        engagement("1 % click, customers alike", 0.01, 20, 15, 1.0),
        engagement("30 % click, customers apart", 0.3, 5, 20, 1.5),
    ),
    (
        amounts("amounts far apart", 0.2, 4, 1, 1, 0.8),
        amounts("9 in 10 without", 0.9, 2, 1, 1, 0.8),
        amounts("extreme amounts", 0.2, 4, 1, 1, 1.2),
        amounts("one in ten thousand carries it", 0.2, 4, 1, 1, 1.6),
        amounts("rare and bursty", 0.2, 3, 0.15, 1, 0.3),
    ),
    (buyers("1 in 50 buys", 0.02),),
)
LONG = tuple((*some, *more) for some, more in zip(SHORT, MORE, strict=True))


def sums_of(figure: Figure, customers: Customers) -> pd.DataFrame:
    """One row of sums per draw, as int_metric_cells has them."""
    y = np.asarray(customers[figure.y], dtype=float)
    numbers = {"y": y}
    if figure.x is not None:
        numbers["x"] = np.asarray(customers[figure.x], dtype=float)
    active = (y > 0).sum(axis=1)
    events = {name: values.sum(axis=1) for name, values in customers.items()}
    events |= {"y": y.sum(axis=1), "active": active}
    sums: dict[str, object] = {
        "kind": figure.kind,
        "customer_count": active if figure.only_active else y.shape[1],
        "carrier_count": active if figure.is_amount else None,
        "event_count": events.get(
            figure.events, np.asarray(customers.get(figure.events, y)).sum(1)
        ),
    }
    for power in render("cell_powers() | join(' ')").split():
        if power == "root_y":
            values = np.sqrt(y).sum(axis=1) if figure.is_amount else None
        elif set(power) <= set(numbers) and (power == "y" or figure.kind != "proportion"):
            values = np.prod([numbers[name] for name in power], axis=0).sum(axis=1)
        else:
            values = None
        sums[f"sum_{power}"] = values
    return pd.DataFrame(sums)


def drawn(shape: Shape, size: int, draws: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Rows of int_metric_cells for every figure of a shape and every draw of so many customers."""
    at_once = max(1, CHUNK // size)
    for first in range(0, draws, at_once):
        count = min(at_once, draws - first)
        customers = shape.draw(rng, (count, size))
        for figure in shape.figures:
            rows = sums_of(figure, customers)
            yield rows.assign(
                shape=shape.name, metric=figure.metric, truth=figure.truth, draw=first + rows.index
            )


COVERED = """
    select
        {what} as interval_of, shape, avg(judged) as judged, avg(covered) as coverage,
        sum(judged * covered) / nullif(sum(judged), 0) as judged_coverage,
        avg(judged * (1 - covered)) as misleading
    from (
        select
            metric, kind, mart as shape,
            case when is_small_cell then 0e0 else 1e0 end as judged,
            case when {low} <= truth and truth <= {high} then 1e0 else 0e0 end as covered
        from found
    )
    group by all order by all
"""


def covered(
    families: Sequence[Sequence[Shape]], size: int, draws: int, seed: int = SEED
) -> pd.DataFrame:
    """Measured coverage, one row per interval and shape.

    Returns:
        Columns interval_of, shape, judged (share of draws given a verdict), coverage (of all
        draws), judged_coverage (of those with a verdict; NaN without any), misleading (share of
        all draws with a verdict whose interval misses) and customers.
    """
    found = []
    for number, family in enumerate(families):
        rng = np.random.default_rng([seed, size, number])
        by_shape = [pd.concat(drawn(shape, size, draws, rng)) for shape in family]
        for place, own in enumerate(by_shape):
            found.append(judged(own, by_shape[place - 1]))
    return pd.concat(found, ignore_index=True).assign(customers=size)


def judged(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Coverage of the intervals of one shape, and of its differences from another."""
    cells = pd.concat([own.assign(segment_id=1), other.assign(segment_id=2)])
    cells = cells.assign(
        segmentation=cells["draw"].astype(str),
        mart=own["shape"].iloc[0],
        cell=pd.array([None] * len(cells), dtype="string"),
        smallest_difference=0.0,
    )
    truths = own.merge(other, on=["metric", "draw"], suffixes=("", "_other"))
    truths = truths.groupby("metric")[["truth", "truth_other"]].first().reset_index()
    sums = [name for name in cells if name.startswith("sum_")]
    cells[sums] = cells[sums].astype("Float64")
    cells["carrier_count"] = cells["carrier_count"].astype("Int64")
    with duckdb.connect() as connection:
        connection.register("int_metric_cells", cells)
        connection.register("truths", truths)
        groups = render_model("models/evidence/int_metric_groups.sql")
        connection.execute(f"create table int_metric_groups as {groups}")
        differences = render_model("models/evidence/segment_differences.sql")
        own_rows = "group_type = 'segment' and segment_id = 1"
        connection.execute(
            "create view found as select *, truth from int_metric_groups "
            f"join truths using (metric) where {own_rows}"
        )
        single = COVERED.format(what="metric", low="estimate_low", high="estimate_high")
        one = connection.sql(single).df()
        connection.execute(
            f"create or replace table found_differences as select * from ({differences}) "
            "where segment_id = 1 and compared_with = 'rest'"
        )
        connection.execute(
            "create or replace view found as select found_differences.*, null as kind, "
            "truth - truth_other as truth from found_differences join truths using (metric)"
        )
        what = "'difference: ' || metric"
        pair = COVERED.format(what=what, low="difference_low", high="difference_high")
        return pd.concat([one, connection.sql(pair).df()])


# --- medians ---

MEDIANS = {
    "log-normal amounts": 0.0,
    "3 in 10 without, log-normal amounts": 0.3,
    "6 in 10 without": 0.6,
}


def covered_medians(size: int, draws: int) -> pd.DataFrame:
    """As `covered`, for the distribution-free interval of a median; nothing is left unjudged."""
    ends = {sign: render("median_end('amount', sign)", sign=sign) for sign in "-+"}
    found = []
    for number, (shape, none) in enumerate(MEDIANS.items()):
        rng = np.random.default_rng([SEED, size, 100 + number])
        truth = math.exp(stats.norm.ppf((0.5 - none) / (1 - none))) if none < 0.5 else 0.0
        held, at_once = 0, max(1, CHUNK // size)
        for first in range(0, draws, at_once):
            count = min(at_once, draws - first)
            values = np.exp(rng.normal(size=(count, size))) * (rng.random((count, size)) >= none)
            frame = pd.DataFrame(
                {"draw": np.repeat(np.arange(count), size), "amount": values.ravel()}
            )
            with duckdb.connect() as connection:
                connection.register("frame", frame)
                held += connection.sql(
                    f"select count(*) from (select {ends['-']} as low, {ends['+']} as high "
                    f"from frame group by draw) where low <= {truth} and {truth} <= high"
                ).fetchall()[0][0]
        share = held / draws
        found.append(("median, by order statistics", shape, 1.0, share, share, 1 - share, size))
    return pd.DataFrame(found, columns=[*COLUMNS, "customers"])


# --- associations ---


@dataclass(frozen=True)
class Clicks:
    """Customers of whom some click, and what a click adds to the share that buys afterwards.

    Impressions raise clicks and purchases alike, and a customer's two campaigns are not
    independent: they share how willing the customer is to click, and to buy.
    """

    name: str
    effect: float
    purchases: float

    def draw(self, rng: np.random.Generator, size: tuple[int, int]) -> pd.DataFrame:
        """Rows of int_channel_purchase_spells, a segment a draw."""
        draws, customers = size
        spells = (draws * customers, 2)
        contact = rng.gamma(2.0, 1.5, (spells[0], 1))
        stratum = np.minimum(1 + rng.poisson(contact, spells), 10)
        clicked = rng.binomial(stratum, rng.beta(2.0, 18.0, (spells[0], 1))) > 0
        appetite = rng.gamma(2.0, 0.5, (spells[0], 1))
        chance = self.purchases * stratum * appetite + self.effect * clicked
        return pd.DataFrame(
            {
                "segmentation": "drawn",
                "segment_id": np.repeat(np.arange(draws), 2 * customers) + 1,
                "channel": "email",
                "customer_id": np.repeat(np.arange(spells[0]), 2),
                "impression_stratum": stratum.ravel(),
                "clicked": clicked.ravel().astype(float),
                "waited": 1.0 - clicked.ravel(),
                "bought": (rng.random(spells) < chance).ravel().astype(float),
            }
        )


CLICKS = (
    Clicks("a click adds nothing", 0.0, 0.02),
    Clicks("a click adds 6 points", 0.06, 0.02),
)


def falling(rng: np.random.Generator, size: tuple[int, int]) -> Customers:
    """The more transactions, the smaller in total, as in the behavioural study."""
    counts = rng.poisson(rng.gamma(4, 1.5, size))
    own = MEAN_AMOUNT * np.exp(rng.normal(0, 0.6, size)) * np.maximum(counts, 1.0) ** -1.7
    totals = own * rng.standard_gamma(np.maximum(counts * 2.5, 1e-9)) / 2.5
    return {"counts": counts, "amounts": np.where(counts > 0, totals, 0.0)}


RANKED = (*SHORT[1][:2], Shape("totals fall with the number", falling, ()))
CORRELATIONS = {
    "count_total_rank_correlation": "rank correlation: number with amount",
    "count_mean_rank_correlation": "rank correlation: number with mean amount",
}


def in_chunks(size: int, draws: int) -> Iterator[int]:
    at_once = max(1, CHUNK // size)
    for first in range(0, draws, at_once):
        yield min(at_once, draws - first)


def covered_associations(
    clicks: Sequence[Clicks], shapes: Sequence[Shape], size: int, draws: int
) -> pd.DataFrame:
    """As `covered`, for the stratified difference after a click and for rank correlations."""
    found = []
    for number, planted in enumerate(clicks):
        rng = np.random.default_rng([SEED, size, 200 + number])
        for count in in_chunks(size, draws):
            rows = purchase_differences(planted.draw(rng, (count, size)))
            found.append(rows.assign(mart=planted.name, truth=planted.effect))
    for number, shape in enumerate(shapes):
        rng = np.random.default_rng([SEED, size, 300 + number])
        truths = true_correlations(shape)
        for count in in_chunks(size, draws):
            rows = rank_correlations(shape.draw(rng, (count, size)))
            found.append(rows.assign(mart=shape.name, truth=rows["metric"].map(truths)))
    table = pd.concat(found, ignore_index=True).assign(kind=None)
    table["metric"] = table["metric"].replace(CORRELATIONS)
    with duckdb.connect() as connection:
        connection.register("found", table)
        measured = connection.sql(COVERED.format(what="metric", low="low", high="high")).df()
    return measured.assign(customers=size)


def purchase_differences(spells: pd.DataFrame) -> pd.DataFrame:
    """Every segment's metric, is_small_cell, low and high, by the project's models."""
    with duckdb.connect() as connection:
        connection.register("int_channel_purchase_spells", spells)
        for name in ("strata", "residuals", "estimates"):
            sql = render_model(f"models/evidence/int_channel_purchase_{name}.sql")
            connection.execute(f"create table int_channel_purchase_{name} as {sql}")
        mart = render_model("models/evidence/segment_channel_purchase_association.sql")
        return connection.sql(
            "select 'difference: purchases after a click, stratified' as metric, is_small_cell, "
            f"purchase_difference_low as low, purchase_difference_high as high from ({mart}) "
            "where not is_all_customers"
        ).df()


def rank_correlations(customers: Customers) -> pd.DataFrame:
    """As `purchase_differences`, two rows a draw."""
    draws, size = customers["counts"].shape
    frame = pd.DataFrame(
        {
            "segmentation": "drawn",
            "segment_id": np.repeat(np.arange(draws), size) + 1,
            "transaction_count": customers["counts"].ravel(),
            "total_amount": customers["amounts"].ravel(),
        }
    )
    figures = {
        "transaction_count": "transaction_count",
        "total_amount": "total_amount",
        "mean_amount": render("ratio('total_amount', 'transaction_count')"),
    }
    ranks = ", ".join(
        f"{render('average_rank(figure, cell)', figure=figure, cell='segmentation, segment_id')} "
        f"as {name}_rank"
        for name, figure in figures.items()
    )
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(
            f"create table int_count_amount_ranks as select segmentation, segment_id, {ranks} "
            "from frame where transaction_count > 0"
        )
        mart = render_model("models/evidence/segment_count_amount_association.sql")
        return connection.sql(
            "select metric, is_small_cell, estimate_low as low, estimate_high as high "
            f"from ({mart})"
        ).df()


@cache
def true_correlations(shape: Shape) -> Mapping[str, float]:
    """Spearman's correlations over so many customers that their error is 0.001."""
    (counts,), (amounts,) = shape.draw(np.random.default_rng(SEED), (1, CHUNK)).values()
    counts, amounts = counts[counts > 0], amounts[counts > 0]
    return {
        "count_total_rank_correlation": stats.spearmanr(counts, amounts).statistic,
        "count_mean_rank_correlation": stats.spearmanr(counts, amounts / counts).statistic,
    }


COLUMNS = ["interval_of", "shape", "judged", "coverage", "judged_coverage", "misleading"]


# --- figures of campaigns ---

CAMPAIGN_MART = "models/marts/campaigns/campaign_channel_group_performance.sql"
MONEY = ("revenue_per_converted_customer", "roas", "roi")
CAMPAIGN_FIGURES = (
    *("click_to_open_rate", "cost_per_mille", "cost_per_click", "cost_per_conversion", *MONEY),
)
# Spread of customers' mean revenue (of its logarithm), and conversions per click.
CAMPAIGNS = {
    "customers alike, many convert": (0.1, 0.6),
    "revenue as in the demo": (0.5, 0.3),
    "log-normal revenue": (1.0, 0.3),
    "few convert": (0.5, 0.05),
}


def campaigns(shape: str, size: int, draws: int, rng: np.random.Generator) -> pd.DataFrame:
    """The mart's rows, one per draw of a campaign with so many customers."""
    spread, conversion = CAMPAIGNS[shape]
    count = size * draws
    seen = 1 + rng.poisson(rng.gamma(1.5, 4, count))
    opens = rng.binomial(seen, rng.beta(2, 3, count))
    clicks = rng.binomial(opens, rng.beta(2, 6, count))
    conversions = rng.binomial(clicks, conversion)
    own = MEAN_AMOUNT * np.exp(rng.normal(-(spread**2) / 2, spread, count))
    revenue = own * rng.standard_gamma(np.maximum(conversions * 2, 1e-9)) / 2
    customers = pd.DataFrame(
        {
            "campaign_id": np.repeat(np.arange(draws), size),
            "customer_id": np.tile(np.arange(size), draws),
            "impression_count": seen,
            "openable_impression_count": seen,
            "open_count": opens,
            "click_count": clicks,
            "openable_click_count": clicks,
            "conversion_count": conversions,
            "revenue_amount": np.where(conversions > 0, revenue, 0.0),
            "cost_amount": 0.02 * seen * rng.gamma(4, 0.25, count) + 0.1 * clicks,
        }
    ).assign(channel_group="a group", is_assigned=True)
    flags = ["is_holdout", "is_unsubscribed", "has_closed_holding"]
    flags += ["is_sent_without_consent", "is_sent_before_joining"]
    with duckdb.connect() as connection:
        connection.register(
            "int_campaign_channel_customers", customers.assign(**dict.fromkeys(flags, False))
        )
        return connection.sql(render_model(CAMPAIGN_MART)).df()


def covered_campaigns(
    size: int, draws: int, shapes: Sequence[str] = tuple(CAMPAIGNS)
) -> pd.DataFrame:
    """As `covered`, of campaigns: revenue is judged where it is not too uneven, all else always."""
    found = []
    for number, shape in enumerate(CAMPAIGNS):
        if shape not in shapes:
            continue
        rng = np.random.default_rng([SEED, size, 200 + number])
        truth = campaigns(shape, 500_000, 1, rng).iloc[0]
        rows = campaigns(shape, size, draws, rng)
        for figure in CAMPAIGN_FIGURES:
            held = rows[f"{figure}_low"].le(truth[figure]) & rows[f"{figure}_high"].ge(
                truth[figure]
            )
            judged = ~rows["is_revenue_too_uneven"] if figure in MONEY else held.notna()
            found.append(
                {
                    "interval_of": figure,
                    "shape": shape,
                    "judged": judged.mean(),
                    "coverage": held.mean(),
                    "judged_coverage": held[judged].mean(),
                    "misleading": (judged & ~held).mean(),
                    "customers": size,
                }
            )
    return pd.DataFrame(found)


# --- the promise ---


def assert_promise(table: pd.DataFrame, draws: int) -> None:
    """Where a verdict is given to most draws, 93 to 97 % of their intervals hold the truth; and
    nowhere are more than 7 % of all draws given a verdict on an interval that does not.

    Four standard errors of the simulation are allowed. Intervals of counts (shares, medians) can
    only be longer than they need, and so are those of rank correlations where many ranks are tied.
    """
    for row in table.itertuples():
        what = (row.interval_of, row.shape, row.customers)
        assert row.misleading < 0.07 + 4 * math.sqrt(0.07 * 0.93 / draws), (what, row.misleading)
        if row.judged < 0.5:
            continue
        error = math.sqrt(0.07 * 0.93 / (draws * row.judged))
        assert row.judged_coverage > 0.93 - 4 * error, (what, row.judged_coverage)
        if not any(word in row.interval_of for word in ("median", "share", "correlation")):
            assert row.judged_coverage < 0.97 + 4 * error, (what, row.judged_coverage)


@pytest.mark.parametrize("size", [300, 1_000])
def test_intervals_hold_the_truth_as_often_as_they_say(size: int) -> None:
    draws = 4_000
    table = pd.concat([covered(SHORT, size, draws), covered_medians(size, draws // 4)])
    assert_promise(table[~table["interval_of"].str.contains("median")], draws)
    assert_promise(table[table["interval_of"].str.contains("median")], draws // 4)
    assert (table["judged"] > 0.5).mean() > 0.6, "hardly anything is judged"


def test_intervals_of_associations_hold_the_truth_as_often_as_they_say() -> None:
    draws = 2_000
    table = covered_associations(CLICKS, RANKED[1:], 1_000, draws)
    assert_promise(table, draws)
    assert len(table) == 6 and (table["judged"] > 0.99).all()


def test_intervals_of_campaign_figures_hold_the_truth_as_often_as_they_say() -> None:
    draws = 400
    table = covered_campaigns(1_000, draws, ["customers alike, many convert", "few convert"])
    assert_promise(table, draws)
    money = table["interval_of"].isin(MONEY)
    assert set(table.loc[money, "judged"].round()) == {0, 1}
    # Also where the mart says that it cannot be relied on, it does not lie grossly.
    assert table["coverage"].min() > 0.85


def test_thirty_customers_are_never_judged() -> None:
    table = covered(SHORT, 30, 200)
    assert (table["judged"] == 0).all()
    assert table["coverage"].min() < 0.9, "small cells would need no rule"


@pytest.mark.full
def test_all_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draws = 10_000
    found = [covered(LONG, size, draws) for size in SIZES]
    found += [covered_medians(size, draws) for size in SIZES]
    found += [covered_associations(CLICKS, RANKED, size, draws) for size in SIZES]
    table = pd.concat(found, ignore_index=True)
    of_campaigns = pd.concat([covered_campaigns(size, draws // 10) for size in SIZES[1:]])
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(as_page(pd.concat([table, of_campaigns]), draws), encoding="utf-8")
    assert_promise(table, draws)
    assert_promise(of_campaigns, draws // 10)


PAGE = """# How often the intervals hold the truth

Measured by `make test-full` (`tests/python/test_interval_coverage.py`, which describes the shapes)
on {draws} draws of made-up customers for every interval, shape and size. The level is 95 %.

A draw is *judged* where the warehouse would give a verdict: not in small cells (vars
`small_cell_customers`, `small_cell_events`), nor on amounts too uneven for their number (vars
`largest_inequality`, `customers_per_squared_skewness`). Where most draws are judged, 93 to 97 % of
the judged intervals hold the truth, to the error of the simulation; intervals of shares and
medians may hold it more often, since counts are whole numbers, and those of rank correlations,
since customers with equally many transactions are tied. Where few draws are judged, they
are the ones that happen to lack the large amounts, and hold less often: the last column is the
share of all draws that get a verdict from an interval that does not hold.

That is a known limit and no slip: no rule that sees the sample alone can promise the level for the
mean of every distribution (Bahadur and Savage, Annals of Mathematical Statistics 27, 1956), because
the amounts that decide the mean may not be in the sample. So rows where a minority of draws is
judged fall short. What stays bounded there is the last column: however few are judged, no more than
7 % of all draws are given a misleading verdict.

A difference is from as many customers of another shape; that of purchases after a click is
Mantel-Haenszel's, between customers who clicked and others with as many impressions.

Measured elsewhere: ratios of bands of impressions and the change of response, by the verdicts that
rest on them, on [worlds with and without fatigue](frequency_caps.md); effects of campaigns, on
[campaigns with a known effect](campaign_effects.md); what lies with customers against channels, in
`tests/python/test_noise.py`. The difference in purchases between owners of a product and others,
stratified by segment, is Mantel-Haenszel's too; it is computed a second time in
`tests/python/test_evidence_marts.py`, and its coverage is not measured. Nor is that of the largest
change of places between channels, whose ends are made to err on the wide side.

Figures of campaigns (`click_to_open_rate` to `roas`) are drawn a tenth as often; those of revenue
are judged where `is_revenue_too_uneven` is false, the others always.

| interval | shape | customers | judged | hold, of judged | hold, of all | misleading |
|---|---|---:|---:|---:|---:|---:|"""


def as_page(table: pd.DataFrame, draws: int) -> str:
    """The table as Markdown, with how to read it."""
    lines = [PAGE.format(draws=f"{draws:,}")]
    by = table.sort_values(["interval_of", "shape", "customers"])
    for row in by.itertuples():
        kept = "" if row.judged == 0 else f"{row.judged_coverage:.1%}"
        lines.append(
            f"| {row.interval_of} | {row.shape} | {row.customers:,} | {row.judged:.0%} | {kept} | "
            f"{row.coverage:.1%} | {row.misleading:.1%} |"
        )
    return "\n".join(lines) + "\n"
