"""Card accounts in the shape of the public credit-card clustering set, with planted groups."""

from __future__ import annotations

import numpy as np

from benchmarks import planted
from benchmarks.planted import Floats, Ints
from benchmarks.tables import Column, Table, decimals, ids, ints
from benchmarks.world import Config, People, choose, stream


def _levels(name: str, card_group: Ints) -> Floats:
    """One planted figure for every account, shape (accounts,)."""
    by_group = np.array([getattr(group, name) for group in planted.CARD_LEVELS])
    return by_group[card_group]


def draw_card_accounts(
    config: Config, block: int, people: People, holdings: Table, first_id: int
) -> tuple[Table, Ints]:
    """Accounts of most current holders of a credit card, and each account's card group."""
    rng = stream(config, block, "card_accounts")
    card = planted.PRODUCTS.index("credit_card")
    held = (holdings["product"].values == card) & holdings["closed_on"].nulls()
    holders = np.unique(holdings["customer_id"].values[held])
    holders = holders[rng.random(len(holders)) < planted.CARD_ACCOUNT_SHARE]
    count = len(holders)
    customer_group = people.group[holders - people.number[0]]
    edges = np.cumsum(planted.CARD_SHARES, axis=1)[customer_group, :-1]
    group = (rng.random(count)[:, None] >= edges).sum(axis=1).astype(np.int64)

    def money(level: Floats, sigma: float) -> Floats:
        return np.exp(level + sigma * rng.standard_normal(count))

    def yes(share: Floats) -> Floats:
        return (rng.random(count) < share).astype(np.float64)

    def months(mean: Floats, some: Floats) -> Ints:
        """Months of twelve with an event, at least one where there are ``some``."""
        spread = rng.beta(np.clip(mean, 0.02, 0.98) * 4, (1 - np.clip(mean, 0.02, 0.98)) * 4)
        return np.where(some > 0, np.maximum(rng.binomial(12, spread), 1), 0)

    size = 0.5 * rng.standard_normal(count)
    limit = np.clip(np.rint(money(_levels("limit", group) + 0.6 * size, 0.35) / 50) * 50, 50, 30000)
    balance = np.minimum(money(_levels("balance", group) + 0.6 * size, 0.8), 1.2 * limit)
    has_oneoff = yes(_levels("oneoff_share", group))
    has_instalments = yes(_levels("instalments_share", group))
    has_cash = yes(_levels("cash_share", group))
    oneoff = has_oneoff * money(_levels("oneoff", group) + size, 0.8)
    instalments = has_instalments * money(_levels("instalments", group) + size, 0.7)
    cash = has_cash * money(_levels("cash", group) + size, 0.8)
    activity = _levels("activity", group)
    oneoff_months = months(activity * 0.7, has_oneoff)
    instalment_months = months(activity, has_instalments)
    either = np.minimum(oneoff_months + instalment_months // 2, 12)
    purchase_months = np.maximum(np.maximum(oneoff_months, instalment_months), either)
    cash_months = months(np.where(group == 1, 0.35, 0.22), has_cash)
    purchase_count = np.where(purchase_months > 0, purchase_months + rng.poisson(either * 1.8), 0)
    cash_count = np.where(cash_months > 0, cash_months + rng.poisson(0.8 * cash_months), 0)
    payments = money(_levels("payments", group) + size, 0.6)
    full = _levels("full_payment", group)
    full_payment = np.rint(12 * rng.beta(full * 6 + 0.02, (1 - full) * 6 + 0.02))
    minimum = (60.0 + 0.15 * balance) * np.exp(0.6 * rng.standard_normal(count))
    unknown_minimum = rng.random(count) < 0.03
    unknown_limit = rng.random(count) < 0.002
    quiet = group == 2
    balance_months = np.where(quiet, 12 - rng.binomial(11, 0.4, count), 12)
    short = rng.random(count) < 0.15
    tenure = np.where(short, 6 + choose(rng, (1 / 6,) * 6, count), 12)

    def share(months_of_twelve: Floats | Ints) -> Column:
        return decimals(months_of_twelve / 12, 6)

    table = {
        "cust_id": ids(first_id + np.arange(count), "A", config.customer_width),
        "balance": decimals(balance),
        "balance_frequency": share(balance_months),
        "purchases": decimals(np.rint(oneoff * 100) / 100 + np.rint(instalments * 100) / 100),
        "oneoff_purchases": decimals(oneoff),
        "installments_purchases": decimals(instalments),
        "cash_advance": decimals(cash),
        "purchases_frequency": share(purchase_months),
        "oneoff_purchases_frequency": share(oneoff_months),
        "purchases_installments_frequency": share(instalment_months),
        "cash_advance_frequency": share(cash_months),
        "cash_advance_trx": ints(cash_count),
        "purchases_trx": ints(purchase_count),
        "credit_limit": decimals(limit, 2, unknown_limit),
        "payments": decimals(payments),
        "minimum_payments": decimals(minimum, 2, unknown_minimum),
        "prc_full_payment": share(full_payment),
        "tenure": ints(tenure),
        "customer_id": ids(holders, "C", config.customer_width),
    }
    return table, group
