"""What every figure a claim can name would be in each planted group if the bank were endless.

The generator plants rates, amounts and lifts; a figure such as the amount withdrawn in a year is
made of several of them, of late joiners, of those who leave and of campaigns. So its true value is
taken from so many customers that chance hardly moves it, added up here from the generator's own
arrays, by another road than the warehouse's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import planted
from benchmarks.generate import Block, blocks
from benchmarks.planted import RECENT, Floats, Ints, Mask
from benchmarks.tables import Table
from benchmarks.world import SECONDS_A_DAY, Config

ADULT_BIRTH_YEAR = 2026 - 18


class Figure(NamedTuple):
    """A figure of dbt_project.yml; `cell` is a channel, product, type, touchpoint or empty."""

    mart: str
    metric: str
    cell: str


# A figure with its numerator and denominator per customer, each of shape (customers,).
Parts = tuple[Figure, Floats, Floats]


def _sums(
    block: Block, table: Table, rows: Mask, kinds: Ints, levels: int, values: NDArray[np.generic]
) -> Floats:
    """Values added up by customer and kind, shape (customers, levels)."""
    owner = table["customer_id"].values - block.people.number[0]
    size = len(block.people.number)
    cell = (owner * levels + kinds)[rows]
    weights = values.astype(np.float64)[rows]
    return np.bincount(cell, weights, size * levels).astype(np.float64).reshape(size, levels)


def _engagement(block: Block) -> Iterator[Parts]:
    table = block.tables["campaign_engagements"]
    customers = block.tables["customers"]
    birth_year = np.zeros(len(block.people.number), dtype=np.int64)
    birth_year[customers["customer_id"].values - block.people.number[0]] = customers[
        "birth_year"
    ].values
    adult = birth_year <= ADULT_BIRTH_YEAR
    channels = table["channel"].values
    rows = (table["occurred_on"].values >= RECENT) & (table["is_holdout"].values == 0)

    def by_channel(column: str) -> Floats:
        sums = _sums(block, table, rows, channels, len(planted.CHANNELS), table[column].values)
        return sums * adult[:, None]

    impressions, clicks = by_channel("impressions"), by_channel("clicks")
    opens, conversions = by_channel("opens"), by_channel("conversions")
    cells: list[tuple[str, str, list[int]]] = [
        ("segment_channel_engagement", name, [number])
        for number, name in enumerate(planted.CHANNELS)
    ]
    cells.append(("segment_engagement", "", list(range(len(planted.CHANNELS)))))
    email = planted.CHANNELS.index("email")
    for mart, cell, columns in cells:
        seen = impressions[:, columns].sum(axis=1)
        clicked = clicks[:, columns].sum(axis=1)
        reached = (seen > 0).astype(np.float64)
        own_ctr = clicked / np.maximum(seen, 1)
        converted = (conversions[:, columns].sum(axis=1) > 0).astype(np.float64)
        yield Figure(mart, "ctr", cell), clicked, seen
        yield Figure(mart, "mean_customer_ctr", cell), own_ctr, reached
        yield Figure(mart, "conversion_rate", cell), converted, reached
        if email in columns:
            yield Figure(mart, "open_rate", cell), opens[:, email], impressions[:, email]


def _holdings(block: Block) -> Iterator[Parts]:
    table = block.tables["product_holdings"]
    everybody = np.ones(len(block.people.number))
    ones = np.ones(len(table["product"].values))
    for metric, rows in (
        ("ownership_rate", table["closed_on"].nulls()),
        ("purchase_rate", table["opened_on"].values >= RECENT),
    ):
        counts = _sums(block, table, rows, table["product"].values, len(planted.PRODUCTS), ones)
        for number, product in enumerate(planted.PRODUCTS):
            has = (counts[:, number] > 0).astype(np.float64)
            yield Figure("segment_product_ownership", metric, product), has, everybody
        has_any = (counts.sum(axis=1) > 0).astype(np.float64)
        yield Figure("segment_ownership", metric, ""), has_any, everybody


def _transactions(block: Block) -> Iterator[Parts]:
    table = block.tables["transactions"]
    everybody = np.ones(len(block.people.number))
    rows = table["transacted_at"].values // SECONDS_A_DAY >= RECENT
    kinds, levels = table["transaction_type"].values, len(planted.TYPES)
    counts = _sums(block, table, rows, kinds, levels, np.ones(len(kinds)))
    amounts = _sums(block, table, rows, kinds, levels, table["amount"].values / 100)
    for number, name in enumerate(planted.TYPES):
        count, amount = counts[:, number], amounts[:, number]
        for metric, numerator, denominator in (
            ("transactions_per_customer", count, everybody),
            ("amount_per_customer", amount, everybody),
            ("amount_per_active_customer", amount, (count > 0).astype(np.float64)),
            ("amount_per_transaction", amount, count),
        ):
            yield Figure("segment_transactions", metric, name), numerator, denominator


def _sessions(block: Block) -> Iterator[Parts]:
    table = block.tables["digital_sessions"]
    everybody = np.ones(len(block.people.number))
    rows = table["used_on"].values >= RECENT
    kinds, levels = table["touchpoint"].values, len(planted.TOUCHPOINTS)
    sessions = _sums(block, table, rows, kinds, levels, table["session_count"].values)
    minutes = _sums(block, table, rows, kinds, levels, table["minutes"].values / 10)
    for number, name in enumerate(planted.TOUCHPOINTS):
        used = (sessions[:, number] > 0).astype(np.float64)
        for metric, numerator in (
            ("usage_rate", used),
            ("sessions_per_customer", sessions[:, number]),
            ("minutes_per_customer", minutes[:, number]),
        ):
            yield Figure("segment_digital_usage", metric, name), numerator, everybody


def true_figures(customers: int, seed: int) -> dict[Figure, tuple[Floats, Floats]]:
    """Every figure's numerator and denominator in each planted group.

    Args:
        customers: how many are drawn; the values are as far from the truth as chance among so many.
        seed: of the draw.

    Returns:
        Figure to two arrays of shape (groups,). Their ratio is the group's value; added up over
        groups first, it is the value of these groups together.
    """
    found: dict[Figure, tuple[Floats, Floats]] = {}
    for block in blocks(Config(customers=customers, seed=seed, clean=True)):
        for parts in (_engagement, _holdings, _transactions, _sessions):
            for figure, numerator, denominator in parts(block):
                before = found.get(figure, (np.zeros(4), np.zeros(4)))
                found[figure] = (
                    before[0] + np.bincount(block.people.group, numerator, 4),
                    before[1] + np.bincount(block.people.group, denominator, 4),
                )
    return found
