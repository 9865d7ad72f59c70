"""Typed columns and the two ways of writing them: CSV text and Parquet.

A table is a dict of equally long columns. Values are numbers (days, seconds, scaled integers,
codes), so that millions of rows cost no Python object each; text appears only when written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted import Ints, Mask

Kind = Literal["id", "code", "date", "timestamp", "decimal", "int", "bool"]


@dataclass(frozen=True)
class Column:
    """Values of shape (rows,) as integers.

    ``id``: number behind ``prefix``, zero-padded to ``digits``. ``code``: index into ``levels``.
    ``date``: days, ``timestamp``: seconds since 1970-01-01. ``decimal``: value times
    10**``digits``. ``missing`` marks nulls, shape (rows,).
    """

    kind: Kind
    values: Ints
    prefix: str = ""
    digits: int = 0
    levels: tuple[str, ...] = ()
    missing: Mask | None = None

    def take(self, rows: Ints) -> Column:
        """The column at ``rows``, in that order."""
        missing = None if self.missing is None else self.missing[rows]
        return replace(self, values=self.values[rows], missing=missing)

    def nulls(self) -> Mask:
        """Null marks, shape (rows,)."""
        return np.zeros(len(self.values), dtype=bool) if self.missing is None else self.missing


Table = dict[str, Column]


def ids(numbers: NDArray[Any], prefix: str, width: int) -> Column:
    """An id column such as C00042."""
    return Column("id", numbers.astype(np.int64), prefix=prefix, digits=width)


def codes(values: NDArray[Any], levels: Sequence[str], missing: Mask | None = None) -> Column:
    """A text column with few distinct values."""
    return Column("code", values.astype(np.int64), levels=tuple(levels), missing=missing)


def dates(days: NDArray[Any], missing: Mask | None = None) -> Column:
    """A date column from days since 1970-01-01."""
    return Column("date", days.astype(np.int64), missing=missing)


def timestamps(seconds: NDArray[Any], missing: Mask | None = None) -> Column:
    """A timestamp column from seconds since 1970-01-01."""
    return Column("timestamp", seconds.astype(np.int64), missing=missing)


def decimals(values: NDArray[Any], digits: int = 2, missing: Mask | None = None) -> Column:
    """A decimal column from floats, rounded to ``digits`` places."""
    scaled = np.rint(values * 10.0**digits).astype(np.int64)
    return Column("decimal", scaled, digits=digits, missing=missing)


def cents(values: NDArray[Any], missing: Mask | None = None) -> Column:
    """A money column from whole cents."""
    return Column("decimal", values.astype(np.int64), digits=2, missing=missing)


def ints(values: NDArray[Any], missing: Mask | None = None) -> Column:
    """An integer column."""
    return Column("int", values.astype(np.int64), missing=missing)


def bools(values: NDArray[Any], missing: Mask | None = None) -> Column:
    """A boolean column."""
    return Column("bool", values.astype(np.int64), missing=missing)


def row_count(table: Table) -> int:
    """Rows of a table."""
    return len(next(iter(table.values())).values)


def take(table: Table, rows: Ints) -> Table:
    """The table's rows at ``rows``, in that order."""
    return {name: column.take(rows) for name, column in table.items()}


def concat(tables: Sequence[Table]) -> Table:
    """Tables of the same columns below one another."""
    joined: Table = {}
    for name, first in tables[0].items():
        parts = [table[name] for table in tables]
        missing = None
        if any(part.missing is not None for part in parts):
            missing = np.concatenate([part.nulls() for part in parts])
        values = np.concatenate([part.values for part in parts])
        joined[name] = replace(first, values=values, missing=missing)
    return joined


def _decimal_text(value: int, digits: int) -> str:
    """Exact text of ``value`` / 10**``digits``; money keeps its two places, shares drop zeros."""
    sign, size = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(size, 10**digits)
    text = f"{sign}{whole}.{rest:0{digits}d}"
    return text if digits == 2 else text.rstrip("0").rstrip(".")


def column_text(column: Column) -> list[str]:
    """The column as CSV fields; a null is the empty text."""
    values = column.values
    if column.kind == "id":
        texts = [f"{column.prefix}{value:0{column.digits}d}" for value in values.tolist()]
    elif column.kind == "code":
        texts = [column.levels[value] for value in values.tolist()]
    elif column.kind == "date":
        texts = np.datetime_as_string(values.astype("datetime64[D]")).tolist()
    elif column.kind == "timestamp":
        stamps = np.datetime_as_string(values.astype("datetime64[s]")).tolist()
        texts = [stamp.replace("T", " ") for stamp in stamps]
    elif column.kind == "decimal":
        texts = [_decimal_text(value, column.digits) for value in values.tolist()]
    elif column.kind == "bool":
        texts = ["true" if value else "false" for value in values.tolist()]
    else:
        texts = [str(value) for value in values.tolist()]
    if column.missing is not None:
        for row in np.flatnonzero(column.missing).tolist():
            texts[row] = ""
    return texts


def table_text(table: Table) -> dict[str, list[str]]:
    """Every column as CSV fields."""
    return {name: column_text(column) for name, column in table.items()}


def write_csv(path: Path, names: Iterable[str], texts: dict[str, list[str]], append: bool) -> None:
    """Write fields that need no quoting, with plain newlines on every platform."""
    lines = [] if append else [",".join(names)]
    lines.extend(map(",".join, zip(*texts.values(), strict=True)))
    with path.open("a" if append else "w", encoding="utf-8", newline="") as file:
        file.write("".join(f"{line}\n" for line in lines))


def _expression(name: str, column: Column) -> str:
    """DuckDB expression that turns the registered integers into the column's own type."""
    if column.kind == "id":
        sql = f"'{column.prefix}' || lpad({name}::varchar, {column.digits}, '0')"
    elif column.kind == "code":
        whens = " ".join(f"when {code} then '{text}'" for code, text in enumerate(column.levels))
        sql = f"case {name} {whens} end"
    elif column.kind == "date":
        sql = f"date '1970-01-01' + {name}::integer"
    elif column.kind == "timestamp":
        sql = f"make_timestamp({name} * 1000000)"
    elif column.kind == "decimal":
        unit = f"0.{'0' * (column.digits - 1)}1::decimal({column.digits}, {column.digits})"
        sql = f"cast({name}::decimal(15, 0) * {unit} as decimal(18, {column.digits}))"
    elif column.kind == "bool":
        sql = f"{name} = 1"
    else:
        sql = f"{name}"
    if column.missing is not None:
        sql = f"case when {name}__missing then null else {sql} end"
    return f"{sql} as {name}"


def write_parquet(path: Path, table: Table, connection: Any) -> None:
    """Write one Parquet file with the columns' own types through a DuckDB connection."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, column in table.items():
        arrays[name] = column.values
        if column.missing is not None:
            arrays[f"{name}__missing"] = column.missing
    connection.register("block", arrays)
    selection = ", ".join(_expression(name, column) for name, column in table.items())
    target = str(path).replace("'", "''")
    connection.execute(f"copy (select {selection} from block) to '{target}' (format parquet)")
    connection.unregister("block")
