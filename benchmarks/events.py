"""What customers do: transactions and digital sessions of one block."""

from __future__ import annotations

import numpy as np

from benchmarks import planted
from benchmarks.planted import AS_OF, RECENT, START
from benchmarks.tables import Table, bools, codes, dates, decimals, ids, ints, timestamps
from benchmarks.world import (
    SECONDS_A_DAY,
    Config,
    People,
    active_days,
    between,
    choose,
    stream,
)


def draw_transactions(config: Config, block: int, people: People, first_id: int) -> Table:
    """Transactions of a block in time order."""
    rng = stream(config, block, "transactions")
    size = len(people.number)
    scale = config.transactions_per_customer / planted.BASE_TRANSACTIONS
    bases = np.cumsum([0] + [len(names) for names in planted.CATEGORIES])
    owners, days, kinds, amounts, categories = [], [], [], [], []
    for kind in range(len(planted.TYPES)):
        own = planted.CUSTOMER_AMOUNT_SIGMA * rng.standard_normal(size)
        level = planted.AMOUNT_LOG[kind][people.group] + own
        dormant = rng.random(size) < planted.DORMANT_SHARE
        for low, high in ((START, RECENT - 1), (RECENT, AS_OF)):
            first, last, length = active_days(people, low, high)
            rate = scale * planted.TYPE_RATE[kind][people.group] * people.activity * length / 365
            count = rng.poisson(rate)
            if kind < 2:
                # Salaries and cash come regularly; a year without either is the exception.
                if low == RECENT:
                    count = np.maximum(count, 1)
                count = np.where(dormant, 0, count)
            owner = np.repeat(np.arange(size), count)
            owners.append(owner)
            days.append(between(rng, first[owner], last[owner]))
            kinds.append(np.full(len(owner), kind))
            noise = planted.AMOUNT_SIGMA * rng.standard_normal(len(owner))
            large = np.where(
                rng.random(len(owner)) < planted.LARGE_SHARE, planted.LARGE_FACTOR, 1.0
            )
            amounts.append(np.maximum(np.exp(level[owner] + noise) * large, 0.01))
            names = len(planted.CATEGORIES[kind])
            categories.append(bases[kind] + choose(rng, (1 / names,) * names, len(owner)))
    owner = np.concatenate(owners)
    total = len(owner)
    second = 6 * 3600 + np.floor(rng.random(total) * 17 * 3600).astype(np.int64)
    stamp = np.concatenate(days) * SECONDS_A_DAY + second
    order = np.lexsort((owner, stamp))
    levels = [name for names in planted.CATEGORIES for name in names]
    width = config.event_width(config.transactions_per_customer)
    return {
        "transaction_id": ids(first_id + np.arange(total), "T", width),
        "customer_id": ids(people.number[owner[order]], "C", config.customer_width),
        "transacted_at": timestamps(stamp[order]),
        "transaction_type": codes(np.concatenate(kinds)[order], planted.TYPES),
        "amount": decimals(np.concatenate(amounts)[order]),
        "category": codes(np.concatenate(categories)[order], levels),
        "is_constructed": bools(np.zeros(total), np.ones(total, dtype=bool)),
    }


def draw_sessions(config: Config, block: int, people: People) -> Table:
    """Digital sessions of a block, one row per customer, touchpoint and day, in day order."""
    rng = stream(config, block, "digital_sessions")
    size = len(people.number)
    sigma = planted.DIGITAL_SIGMA
    taste = np.exp(sigma * people.digital_z - sigma**2 / 2)
    owners, days = [], []
    for low, high in ((START, RECENT - 1), (RECENT, AS_OF)):
        first, last, length = active_days(people, low, high)
        count = rng.poisson(planted.SESSION_ROWS[people.group] * taste * length / 365)
        if low == RECENT:
            count = np.maximum(count, 1)
        owner = np.repeat(np.arange(size), count)
        owners.append(owner)
        days.append(between(rng, first[owner], last[owner]))
    owner, day = np.concatenate(owners), np.concatenate(days)
    touchpoint = (rng.random(len(owner)) >= planted.MOBILE_SHARE[people.group[owner]]).astype(int)
    key = np.unique(((day - START) * size + owner) * 2 + touchpoint)
    touchpoint, owner, day = key % 2, key // 2 % size, START + key // (2 * size)
    count = 1 + rng.poisson(planted.SESSION_EXTRA[people.group[owner]])
    minutes = count * np.exp(1.3 + 0.5 * rng.standard_normal(len(key)))
    return {
        "customer_id": ids(people.number[owner], "C", config.customer_width),
        "used_on": dates(day),
        "touchpoint": codes(touchpoint, planted.TOUCHPOINTS),
        "session_count": ints(count),
        "minutes": decimals(minutes, 1),
    }
