"""The truth file: what was planted, what came out of it by chance, and which dirt lies where.

Tests read it; models never do.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks import planted
from benchmarks.dirt import KEY, Soiled
from benchmarks.planted import AS_OF, RECENT, START, Floats, Ints
from benchmarks.tables import Table, column_text, row_count, take
from benchmarks.world import Config, People

# Lists of rows are for the demo; at scale only counts are kept.
LISTED_CUSTOMERS = 20_000


def iso(day: int) -> str:
    """ISO date of a day number."""
    return str(np.datetime64(int(day), "D"))


def by_group(values: Floats | tuple[float, ...]) -> dict[str, float]:
    """Figures of shape (4,) under the groups' names."""
    return {
        name: round(float(value), 6) for name, value in zip(planted.GROUPS, values, strict=True)
    }


class Record:
    """Collects the truth block by block."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.groups: list[Ints] = []
        self.card_groups: list[Ints] = []
        self.churned: dict[str, str] = {}
        self.churn_count = np.zeros(4, dtype=np.int64)
        self.counts: dict[str, Ints] = {}
        self.effects: list[dict[str, list[int]]] = []
        self.dirt: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    def _add(self, name: str, values: Ints) -> None:
        self.counts[name] = self.counts.get(name, np.zeros_like(values)) + values

    def add_block(
        self,
        people: People,
        tables: dict[str, Table],
        effects: list[dict[str, list[int]]],
        card_group: Ints,
    ) -> None:
        """Take in a block's planted facts and count its clean rows by group."""
        self.groups.append(people.group)
        self.card_groups.append(card_group)
        leaves = np.flatnonzero(people.churned_on > 0)
        self.churn_count += np.bincount(people.group[leaves], minlength=4)
        if self.config.customers <= LISTED_CUSTOMERS:
            width = self.config.customer_width
            for row in leaves.tolist():
                key = f"C{people.number[row]:0{width}d}"
                self.churned[key] = iso(people.churned_on[row])
        if not self.effects:
            self.effects = effects
        else:
            self.effects = [
                {
                    name: [left + right for left, right in zip(old[name], new[name], strict=True)]
                    for name in old
                }
                for old, new in zip(self.effects, effects, strict=True)
            ]

        def groups_of(table: Table) -> Ints:
            groups: Ints = people.group[table["customer_id"].values - people.number[0]]
            return groups

        holdings = tables["product_holdings"]
        recent = holdings["opened_on"].values >= RECENT
        held = holdings["closed_on"].nulls()
        owner = np.unique(
            holdings["customer_id"].values[held] * 7 + holdings["product"].values[held]
        )
        owner_cell = people.group[owner // 7 - people.number[0]] * 7 + owner % 7
        self._add("holders", np.bincount(owner_cell, minlength=28))
        buyer = np.unique(
            holdings["customer_id"].values[recent] * 7 + holdings["product"].values[recent]
        )
        buyer_cell = people.group[buyer // 7 - people.number[0]] * 7 + buyer % 7
        self._add("buyers", np.bincount(buyer_cell, minlength=28))

        transactions = tables["transactions"]
        recent = transactions["transacted_at"].values // 86_400 >= RECENT
        cell = (groups_of(transactions) * 4 + transactions["transaction_type"].values)[recent]
        self._add("transactions", np.bincount(cell, minlength=16))
        amount = np.zeros(16, dtype=np.int64)
        np.add.at(amount, cell, transactions["amount"].values[recent])
        self._add("amount_cents", amount)

        engagements = tables["campaign_engagements"]
        cell = groups_of(engagements) * 4 + engagements["channel"].values
        for name in ("impressions", "clicks"):
            total = np.zeros(16, dtype=np.int64)
            np.add.at(total, cell, engagements[name].values)
            self._add(name, total)

    def _dirty(
        self,
        entity: str,
        name: str,
        expected: str,
        rule: str,
        table: Table,
        rows: Ints,
        before: int,
    ) -> None:
        """Note ``rows`` (positions in this block's part) of one kind of dirt."""
        kinds = self.dirt[entity]
        kind = kinds.setdefault(name, {"count": 0, "expected": expected, "rule": rule})
        kind["count"] += len(rows)
        if self.config.customers <= LISTED_CUSTOMERS:
            kind.setdefault("rows", []).extend((rows + 1 + before).tolist())
            # The number of a row finds it; a key is what survives a change of order.
            if expected == "superseded" and entity in KEY:
                keys = column_text(take(table, rows)[KEY[entity]])
                kind.setdefault("keys", []).extend(keys)

    def add_dirt(self, entity: str, soiled: Soiled, deleted: Ints, before: int) -> None:
        """Take in where a block's dirt lies; ``before`` rows of the entity are already written."""
        table = soiled.table
        extra = np.zeros(row_count(table), dtype=bool)
        for kind, rows in soiled.touched:
            extra[rows] |= kind.extra
            self._dirty(entity, kind.name, kind.expected, kind.rule, table, rows, before)
        if entity in ("customers", "campaigns"):
            key = table[KEY[entity]].values
            gone = np.isin(key, deleted) & ~extra
            if len(deleted):
                rows = np.flatnonzero(gone)
                self._dirty(
                    entity, "deleted_customer", "superseded", "deleted", table, rows, before
                )
            kept = np.flatnonzero(~extra & ~gone)
            order = np.lexsort((table["updated_at"].values[kept], key[kept]))
            later = np.append(key[kept][order][1:] == key[kept][order][:-1], False)
            rows = np.sort(kept[order][later])
            self._dirty(entity, "earlier_version", "superseded", "superseded", table, rows, before)

    def _table(self, name: str, inner: tuple[str, ...]) -> dict[str, dict[str, int]]:
        """Counts of shape (groups x inner,) as nested names."""
        counts = self.counts[name].reshape(4, len(inner)).tolist()
        return {
            group: dict(zip(inner, row, strict=True))
            for group, row in zip(planted.GROUPS, counts, strict=True)
        }

    def as_json(self, rows: dict[str, int]) -> dict[str, Any]:
        """The whole truth; ``rows`` are the data rows of each file."""
        group = np.concatenate(self.groups)
        card_group = np.concatenate(self.card_groups)
        campaigns = []
        for number, campaign in enumerate(planted.CAMPAIGNS):
            until = min(campaign.ends + planted.OUTCOME_DAYS, AS_OF)
            window = (until - campaign.starts + 1) / 365
            campaigns.append(
                {
                    "campaign_id": f"K{number + 1:02d}",
                    "holdout_share": campaign.holdout,
                    "is_lift_zero": not any(campaign.lift),
                    "lift_if_reached": by_group(campaign.lift),
                    "organic_rate_in_window": by_group(planted.PURCHASE[campaign.product] * window),
                    "outcome_until": iso(until),
                    "product": planted.PRODUCTS[campaign.product],
                    "realised": {
                        name: dict(zip(planted.GROUPS, values, strict=True))
                        for name, values in self.effects[number].items()
                    },
                    "reach": planted.REACH,
                }
            )
        scale = self.config.transactions_per_customer / planted.BASE_TRANSACTIONS
        typical = np.exp(planted.AMOUNT_LOG)
        return {
            "as_of": iso(AS_OF),
            "campaigns": campaigns,
            "card_groups": {
                "names": planted.CARD_GROUPS,
                "of_accounts": "".join(map(str, card_group.tolist())),
            },
            "churn": {
                "count": dict(zip(planted.GROUPS, self.churn_count.tolist(), strict=True)),
                "inactive_from": self.churned,
                "rate": by_group(planted.CHURN_RATE),
            },
            "ctr": {
                "planted": {
                    name: dict(zip(planted.CHANNELS, np.round(row, 6).tolist(), strict=True))
                    for name, row in zip(planted.GROUPS, planted.CTR, strict=True)
                },
                "realised_clicks": self._table("clicks", planted.CHANNELS),
                "realised_impressions": self._table("impressions", planted.CHANNELS),
                "same_in_all_groups": ["twitter"],
            },
            "data_from": iso(START),
            "dirt": {entity: self.dirt[entity] for entity in sorted(self.dirt)},
            "groups": {
                "names": planted.GROUPS,
                "of_customers": "".join(map(str, group.tolist())),
                "realised": dict(
                    zip(planted.GROUPS, np.bincount(group, minlength=4).tolist(), strict=True)
                ),
                "shares": by_group(planted.SHARES),
            },
            "products": {
                "ownership": {
                    name: by_group(planted.OWNERSHIP[number])
                    for number, name in enumerate(planted.PRODUCTS)
                },
                "purchase_in_365_days": {
                    name: by_group(planted.PURCHASE[number])
                    for number, name in enumerate(planted.PRODUCTS)
                },
                "pure_noise": "insurance",
                "realised_buyers": self._table("buyers", planted.PRODUCTS),
                "realised_holders": self._table("holders", planted.PRODUCTS),
            },
            "rows": rows,
            "seed": self.config.seed,
            "transactions": {
                "planted_in_365_days": {
                    name: by_group(planted.TYPE_RATE[number] * scale)
                    for number, name in enumerate(planted.TYPES)
                },
                "planted_typical_amount": {
                    name: by_group(np.round(typical[number], 2))
                    for number, name in enumerate(planted.TYPES)
                },
                "realised_amount_cents_in_365_days": self._table("amount_cents", planted.TYPES),
                "realised_count_in_365_days": self._table("transactions", planted.TYPES),
            },
        }
