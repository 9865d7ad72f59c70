"""The ways a row is made wrong: edits of typed rows, respellings of text, choices of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from benchmarks.planted import Ints, Mask, day_number
from benchmarks.tables import Table, row_count

Edit = Callable[[Table, Generator], Table]
Respell = Callable[[str, int], str]
Where = Callable[[Table], Mask]

FAR_FUTURE = day_number("2062-01-01")
BAD_DATES = ("2025-13-45", "31/12/2025", "")


def put(column: str, values: Callable[[Table, Generator], Ints]) -> Edit:
    """An edit that replaces one column's values."""

    def edit(rows: Table, rng: Generator) -> Table:
        return rows | {column: replace(rows[column], values=values(rows, rng), missing=None)}

    return edit


def on_a_free_day(edit: Edit) -> Edit:
    """The edit on a day before all data, so that the row has no key of a good row."""

    def moved(rows: Table, rng: Generator) -> Table:
        days = day_number("2025-01-01") - rng.integers(1, 300, row_count(rows))
        return edit(rows, rng) | {"used_on": replace(rows["used_on"], values=days)}

    return moved


def blank(column: str) -> Edit:
    """An edit that empties one column."""

    def edit(rows: Table, rng: Generator) -> Table:
        count = row_count(rows)
        return rows | {column: replace(rows[column], missing=np.ones(count, dtype=bool))}

    return edit


def unchanged(rows: Table, rng: Generator) -> Table:
    """The same delivery a second time."""
    return rows


def one_of(*texts: str) -> Respell:
    """The given texts in turn."""
    return lambda text, turn: texts[turn % len(texts)]


def spaced(text: str, turn: int) -> str:
    """Stray spaces around a value, a tab now and then."""
    return (f" {text}", f"{text} ", f"  {text} ", f"{text}\t")[turn % 4]


def shouted(text: str, turn: int) -> str:
    """Another letter case, with or without a stray space."""
    return (text.upper(), text.capitalize(), f" {text.upper()}")[turn % 3]


def odd_boolean(text: str, turn: int) -> str:
    """The usual spellings of true and false, the value kept."""
    spellings = {
        "true": ("TRUE", "Yes", "y", "1", "t", "True"),
        "false": ("FALSE", "No", "n", "0", "f", "False"),
        "": ("n", "0", "FALSE", "No"),
    }[text]
    return spellings[turn % len(spellings)]


def with_offset(text: str, turn: int) -> str:
    """The same moment written in another time zone (or as UTC)."""
    if turn % 2:
        return f"{text}Z"
    moment = np.datetime64(text.replace(" ", "T")) + np.timedelta64(2, "h")
    return f"{str(moment).replace('T', ' ')}+02:00"


def far_days(first: int, days: int) -> Callable[[Table, Generator], Ints]:
    """Days in 2062 from day ``first`` of that year on, no day twice while there are enough.

    One day must never gather so many rows that it looks like the last day of real data.
    """

    def draw(rows: Table, rng: Generator) -> Ints:
        count = row_count(rows)
        turns = max(1, -(-count // days))
        pool = np.concatenate([rng.permutation(days) for _ in range(turns)])[:count]
        return FAR_FUTURE + first + pool

    return draw


def unknown(rows: Table, rng: Generator) -> Ints:
    """Ids at the end of the range, which no customer has."""
    count = row_count(rows)
    ids: Ints = 10 ** rows["customer_id"].digits - 1 - rng.integers(0, 50, count)
    return ids


def negative(column: str) -> Callable[[Table, Generator], Ints]:
    return lambda rows, rng: -np.maximum(rows[column].values, 1)


def zero_or_negative(rows: Table, rng: Generator) -> Ints:
    count = row_count(rows)
    return np.where(np.arange(count) % 5 == 4, 0, -np.maximum(rows["amount"].values, 1))


def above(column: str) -> Callable[[Table, Generator], Ints]:
    return lambda rows, rng: rows[column].values + rng.integers(1, 6, row_count(rows))


def holdout(rows: Table, rng: Generator) -> Table:
    count = row_count(rows)
    seen = replace(rows["impressions"], values=rng.integers(1, 5, count))
    nothing = {
        name: replace(rows[name], values=np.zeros(count, dtype=np.int64))
        for name in ("opens", "clicks", "conversions")
    }
    held = replace(rows["is_holdout"], values=np.ones(count, dtype=np.int64))
    return rows | nothing | {"impressions": seen, "is_holdout": held}


def no_response(rows: Table) -> Table:
    count = row_count(rows)
    zero = np.zeros(count, dtype=np.int64)
    return rows | {name: replace(rows[name], values=zero) for name in ("clicks", "conversions")}


def negative_impressions(rows: Table, rng: Generator) -> Table:
    return put("impressions", lambda some, r: -r.integers(1, 9, row_count(some)))(
        no_response(rows), rng
    )


def older(column: str, factor: float, seconds: int) -> Edit:
    """An earlier delivery with another value, for files that carry ``updated_at``."""

    def edit(rows: Table, rng: Generator) -> Table:
        values = np.rint(rows[column].values * factor).astype(np.int64)
        stamp = rows["updated_at"].values - seconds
        return rows | {
            column: replace(rows[column], values=values),
            "updated_at": replace(rows["updated_at"], values=stamp),
        }

    return edit


def older_amount(rows: Table, rng: Generator) -> Table:
    values = rows["amount"].values + rng.integers(1, 500, row_count(rows))
    return rows | {"amount": replace(rows["amount"], values=values)}


def open_before_it_closed(rows: Table, rng: Generator) -> Table:
    stamp = np.minimum(rows["updated_at"].values, day_number("2025-01-01") * 86_400)
    return blank("closed_on")(rows, rng) | {"updated_at": replace(rows["updated_at"], values=stamp)}


def closed_before_opened(rows: Table, rng: Generator) -> Table:
    closed = replace(
        rows["closed_on"],
        values=rows["opened_on"].values - rng.integers(1, 90, row_count(rows)),
        missing=np.zeros(row_count(rows), dtype=bool),
    )
    return rows | {"closed_on": closed}


def present(column: str) -> Where:
    """Rows where the column is not null."""
    return lambda table: ~table[column].nulls()


def absent(column: str) -> Where:
    """Rows where the column is null."""
    return lambda table: table[column].nulls()


def is_true(column: str) -> Where:
    """Rows where the boolean column is true."""
    return lambda table: np.asarray(table[column].values == 1)


def is_false(column: str) -> Where:
    """Rows where the boolean column is false."""
    return lambda table: np.asarray(table[column].values == 0)


def only_version(table: Table) -> Mask:
    """Customers that were delivered once."""
    number = table["customer_id"].values
    _, inverse, count = np.unique(number, return_inverse=True, return_counts=True)
    return np.asarray(count[inverse] == 1)


def reached(table: Table) -> Mask:
    """Engagement rows with impressions."""
    return np.asarray(table["impressions"].values > 0)


def reached_by_email(table: Table) -> Mask:
    """Engagement rows with impressions in the channel that knows opens."""
    return reached(table) & ~table["opens"].nulls()


def without_conversions(table: Table) -> Mask:
    """Engagement rows without a reported conversion."""
    return np.asarray(table["conversions"].values == 0)


def morning_to_evening(table: Table) -> Mask:
    """Transactions that stay on their day under a shift by some hours."""
    hour = table["transacted_at"].values % 86_400 // 3600
    return np.asarray((hour >= 6) & (hour < 21))


def late_stamp(rows: Table, rng: Generator) -> Ints:
    return far_days(0, 180)(rows, rng) * 86_400 + 36_000
