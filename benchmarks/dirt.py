"""The planted dirt: which rows are made wrong, how, and what must become of each.

Broken and superseded rows are extra rows, so that the planted figures stay what they are; what is
only blanked or spelled oddly is changed in place, on few rows. Every kind is drawn from the
generator's own stream and reported for the truth file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from benchmarks.edits import (
    BAD_DATES,
    Edit,
    Respell,
    Where,
    above,
    absent,
    blank,
    closed_before_opened,
    far_days,
    holdout,
    is_false,
    is_true,
    late_stamp,
    morning_to_evening,
    negative,
    negative_impressions,
    odd_boolean,
    older,
    older_amount,
    on_a_free_day,
    one_of,
    only_version,
    open_before_it_closed,
    present,
    put,
    reached,
    reached_by_email,
    shouted,
    spaced,
    unchanged,
    unknown,
    with_offset,
    without_conversions,
    zero_or_negative,
)
from benchmarks.planted import Floats, Ints
from benchmarks.tables import Column, Table, concat, row_count, take


@dataclass(frozen=True)
class Kind:
    """One kind of dirt.

    ``expected`` is broken, superseded, blanked or accepted; ``rule`` names the rule that a broken
    row breaks (it may break others too) or the column that is blanked. ``share`` is of the
    entity's clean rows. ``edit`` changes typed rows, for both formats; ``respell`` changes the
    text of ``column``, so those kinds exist in CSV only. ``where`` says which rows may be chosen;
    at least ``least`` rows are.
    """

    name: str
    expected: str
    rule: str
    share: float
    column: str = ""
    edit: Edit | None = None
    respell: Respell | None = None
    where: Where | None = None
    least: int = 3

    @property
    def extra(self) -> bool:
        """Whether the dirty rows stand beside the clean ones and not in their place."""
        return self.expected in ("broken", "superseded")


def _missing(column: str, share: float) -> Kind:
    return Kind(f"missing_{column}", "broken", f"missing_{column}", share, column, blank(column))


def _unknown(share: float) -> Kind:
    edit = put("customer_id", unknown)
    return Kind("unknown_customer", "broken", "unknown_customer", share, "customer_id", edit)


def _bad(column: str, share: float, *texts: str) -> Kind:
    return Kind(
        f"bad_{column}", "broken", f"bad_{column}", share, column, unchanged, one_of(*texts)
    )


def _again(share: float) -> Kind:
    return Kind("same_delivery_again", "superseded", "superseded", share, "", unchanged)


def _accepted(
    name: str, column: str, share: float, respell: Respell, where: Where | None = None
) -> Kind:
    return Kind(name, "accepted", "", share, column, respell=respell, where=where)


def _blanked(
    column: str, share: float, respell: Respell, where: Where | None = None, name: str = ""
) -> Kind:
    title = name or f"blanked_{column}"
    return Kind(title, "blanked", column, share, column, respell=respell, where=where)


KINDS: dict[str, tuple[Kind, ...]] = {
    "customers": (
        _missing("customer_id", 0.002),
        Kind("future_date", "broken", "future_date", 0.002, "joined_on",
             put("joined_on", far_days(330, 30))),
        _again(0.002),
        Kind("older_delivery", "superseded", "superseded", 0.002, "account_balance",
             older("account_balance", 0.93, 0), where=only_version),
        _blanked("monthly_income", 0.002, lambda text, turn: f"-{text}", only_version,
                 "negative_monthly_income"),
        _blanked("monthly_income", 0.001, one_of("1_000", "infinity"), only_version,
                 "untypable_monthly_income"),
        _blanked("account_balance", 0.001, one_of("infinity", "NaN", "1_000"), only_version),
        _blanked("loyalty_score", 0.001, one_of("-4", "high"), only_version),
        _blanked("birth_year", 0.002, one_of("1850", "1979.5", "2062"), only_version),
        _blanked("joined_on", 0.001, one_of("2025-13-45", "31/12/2019"), only_version),
        _accepted(
            "odd_true", "marketing_consent", 0.002, odd_boolean, is_true("marketing_consent")
        ),
        _accepted(
            "odd_false", "marketing_consent", 0.002, odd_boolean, is_false("marketing_consent")
        ),
        _accepted("spaces_around_id", "customer_id", 0.002, spaced),
    ),
    "product_holdings": (
        _missing("holding_id", 0.002),
        _missing("customer_id", 0.001),
        _unknown(0.003),
        _bad("opened_on", 0.002, *BAD_DATES),
        Kind("future_date", "broken", "future_date", 0.002, "opened_on",
             put("opened_on", far_days(300, 30))),
        _again(0.002),
        Kind("older_delivery", "superseded", "superseded", 0.002, "closed_on",
             open_before_it_closed, where=present("closed_on")),
        _blanked("closed_on", 0.001, one_of("31/12/2025", "2025-13-45"), absent("closed_on")),
        Kind("closed_before_opened", "blanked", "closed_on", 0.001, "closed_on",
             closed_before_opened, where=absent("closed_on")),
        _accepted("product_spelling", "product", 0.003, shouted),
        _accepted("spaces_around_id", "customer_id", 0.002, spaced),
    ),
    "card_accounts": (
        _missing("cust_id", 0.005),
        _again(0.004),
        _blanked("balance", 0.002, one_of("-12.50", "infinity")),
        _blanked("credit_limit", 0.002, one_of("1_000"), present("credit_limit")),
        _blanked("purchases_trx", 0.002, one_of("12.7")),
        _blanked("tenure", 0.002, one_of("twelve")),
        _accepted("spaces_around_id", "cust_id", 0.004, spaced),
    ),
    "campaigns": (
        Kind("ends_before_start", "broken", "ends_before_start", 0.0, "ends_on",
             put("ends_on", lambda rows, rng: rows["starts_on"].values - 10), least=1),
        Kind("blanked_planned_holdout_share", "blanked", "planned_holdout_share", 0.0,
             "planned_holdout_share", respell=one_of("1.5"), least=1,
             where=absent("planned_holdout_share")),
        Kind("product_spelling", "accepted", "", 0.0, "product", respell=shouted, least=2),
        Kind("objective_spelling", "accepted", "", 0.0, "objective", respell=shouted, least=2),
    ),
    "campaign_engagements": (
        _missing("engagement_id", 0.0008),
        _unknown(0.0015),
        Kind("unknown_campaign", "broken", "unknown_campaign", 0.001, "campaign_id",
             put("campaign_id", lambda rows, rng: rng.integers(70, 80, row_count(rows)))),
        _bad("occurred_on", 0.001, *BAD_DATES),
        Kind("future_date", "broken", "future_date", 0.001, "occurred_on",
             put("occurred_on", far_days(180, 70))),
        Kind("clicks_above_impressions", "broken", "clicks_above_impressions", 0.0015, "clicks",
             put("clicks", above("impressions")), where=reached),
        Kind("opens_above_impressions", "broken", "opens_above_impressions", 0.001, "opens",
             put("opens", above("impressions")), where=reached_by_email),
        Kind("negative_impressions", "broken", "negative_impressions", 0.0008, "impressions",
             negative_impressions, where=absent("opens")),
        Kind("holdout_with_impressions", "broken", "holdout_with_impressions", 0.0008,
             "is_holdout", holdout, where=reached_by_email),
        _bad("impressions", 0.0008, "12.7", "three"),
        _again(0.002),
        _blanked("cost_amount", 0.0008, one_of("-0.10", "infinity"), reached),
        _blanked("conversions", 0.0005, one_of("12.7", "-1"), without_conversions),
        _blanked("revenue_amount", 0.0005, one_of("infinity", "1_000"), without_conversions),
        _accepted("channel_spelling", "channel", 0.003, shouted),
        _accepted("odd_true", "is_holdout", 0.0015, odd_boolean, is_true("is_holdout")),
        _accepted("odd_false", "is_holdout", 0.0015, odd_boolean, is_false("is_holdout")),
        _accepted("spaces_around_id", "campaign_id", 0.001, spaced),
    ),
    "transactions": (
        _missing("transaction_id", 0.0008),
        _missing("customer_id", 0.0008),
        _unknown(0.002),
        _bad("transacted_at", 0.0015, *BAD_DATES),
        Kind("future_date", "broken", "future_date", 0.001, "transacted_at",
             put("transacted_at", late_stamp)),
        Kind("amount_not_positive", "broken", "amount_not_positive", 0.002, "amount",
             put("amount", zero_or_negative)),
        _bad("amount", 0.001, "infinity", "1_000", "twelve"),
        _again(0.002),
        Kind("older_delivery", "superseded", "superseded", 0.001, "amount", older_amount),
        _accepted("type_spelling", "transaction_type", 0.003, shouted),
        _accepted("odd_boolean", "is_constructed", 0.001, odd_boolean),
        _accepted("time_zone_offset", "transacted_at", 0.002, with_offset,
                  where=morning_to_evening),
        _accepted("spaces_around_id", "customer_id", 0.002, spaced),
    ),
    "digital_sessions": (
        _missing("customer_id", 0.001),
        _unknown(0.002),
        _bad("used_on", 0.0015, *BAD_DATES),
        Kind("future_date", "broken", "future_date", 0.001, "used_on",
             put("used_on", far_days(250, 50))),
        Kind("negative_session_count", "broken", "negative_session_count", 0.0015,
             "session_count", on_a_free_day(put("session_count", negative("session_count")))),
        Kind("bad_session_count", "broken", "bad_session_count", 0.001, "session_count",
             on_a_free_day(unchanged), one_of("12.7", "many")),
        _again(0.003),
        _blanked("minutes", 0.001, one_of("-3", "12 min")),
        _accepted("touchpoint_spelling", "touchpoint", 0.004, shouted),
        _accepted("spaces_around_id", "customer_id", 0.003, spaced),
    ),
    "customer_attributes": (),
}  # fmt: skip

# The column that identifies a row; sessions have none and are known by all their key columns.
KEY = {
    "customers": "customer_id",
    "product_holdings": "holding_id",
    "card_accounts": "cust_id",
    "campaigns": "campaign_id",
    "campaign_engagements": "engagement_id",
    "transactions": "transaction_id",
}


@dataclass(frozen=True)
class Soiled:
    """A table with its dirt.

    ``touched`` maps a kind to the positions of its rows in ``table``.
    """

    table: Table
    touched: tuple[tuple[Kind, Ints], ...]

    def respell(self, texts: dict[str, list[str]]) -> None:
        """Apply the text changes, in place."""
        for kind, positions in self.touched:
            if kind.respell is not None:
                fields = texts[kind.column]
                for turn, row in enumerate(positions.tolist()):
                    fields[row] = kind.respell(fields[row], turn)


def soil(entity: str, table: Table, rng: Generator, first_free: int, with_text: bool) -> Soiled:
    """Add an entity's planted dirt to a clean table.

    ``first_free`` is the first unused number for new keys. Without ``with_text`` only the kinds
    that typed columns can hold are added. No row carries two kinds.
    """
    clean = row_count(table)
    rows_left = rng.permutation(clean)
    kinds = [kind for kind in KINDS[entity] if with_text or kind.respell is None]
    parts: list[Table] = [table]
    keys: list[Floats] = [np.arange(clean, dtype=np.float64)]
    labels = [np.full(clean, -1)]
    for label, kind in enumerate(kinds):
        count = max(kind.least, round(kind.share * clean))
        allowed = rows_left if kind.where is None else rows_left[kind.where(table)[rows_left]]
        chosen = np.sort(allowed[:count])
        rows_left = rows_left[~np.isin(rows_left, chosen)]
        if not kind.extra:
            labels[0][chosen] = label
            if kind.edit is not None:
                edited = concat([table, kind.edit(take(table, chosen), rng)])
                order = np.arange(clean)
                order[chosen] = clean + np.arange(len(chosen))
                table = take(edited, order)
                parts[0] = table
            continue
        edited_rows = take(table, chosen)
        if kind.edit is not None:
            edited_rows = kind.edit(edited_rows, rng)
        if kind.expected == "broken" and entity in KEY and KEY[entity] != kind.column:
            column: Column = edited_rows[KEY[entity]]
            fresh = first_free + np.arange(len(chosen))
            edited_rows = edited_rows | {KEY[entity]: replace(column, values=fresh)}
            first_free += len(chosen)
        parts.append(edited_rows)
        # Before the row they are made from: where nothing else decides, the later line wins.
        keys.append(np.subtract(chosen, 0.5, dtype=np.float64))
        labels.append(np.full(len(chosen), label))
    order = np.argsort(np.concatenate(keys), kind="stable")
    label_of = np.concatenate(labels)[order]
    touched = tuple((kind, np.flatnonzero(label_of == number)) for number, kind in enumerate(kinds))
    return Soiled(take(concat(parts), order), touched)
