"""What lands on top of a finished build: a corrected batch, one more day of events."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

import duckdb

# One customer in a hundred: those whose number ends in these digits.
TOUCHED = "right(customer_id, 2) = '07'"


def grown_copy(data: Path) -> Path:
    """The raw files of a size under another name, linked, for batches to land beside."""
    copy = data.with_name(f"{data.name}_grown")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(data, copy, copy_function=os.link)
    return copy


def land_corrections(data: Path) -> None:
    """Of 1 % of customers: transactions handed in again with another amount, late sessions."""
    _write(
        f"select * replace (amount + 1 as amount) from {_parts(data, 'transactions')}"
        f" where {TOUCHED} qualify row_number() over (partition by customer_id) <= 5",
        data / "transactions" / "zz_corrections.parquet",
    )
    _write(
        f"select * replace (used_on - 400 as used_on) from {_parts(data, 'digital_sessions')}"
        f" where {TOUCHED} qualify row_number() over (partition by customer_id, touchpoint) = 1",
        data / "digital_sessions" / "zz_late.parquet",
    )
    _write(
        f"select * replace (0 as clicks) from {_parts(data, 'campaign_engagements')}"
        f" where {TOUCHED} qualify row_number() over (partition by customer_id) = 1",
        data / "campaign_engagements" / "zz_corrections.parquet",
    )


def land_a_day(data: Path, day: date) -> None:
    """The events of the as-of date once more, a day later."""
    _write(
        "select * replace (transacted_at + interval 1 day as transacted_at,"
        f" transaction_id || '-next' as transaction_id) from {_parts(data, 'transactions')}"
        f" where cast(transacted_at as date) = date '{day}'",
        data / "transactions" / "zz_next.parquet",
    )
    _write(
        f"select * replace (used_on + 1 as used_on) from {_parts(data, 'digital_sessions')}"
        f" where used_on = date '{day}'",
        data / "digital_sessions" / "zz_next.parquet",
    )
    _write(
        "select * replace (occurred_on + 1 as occurred_on, engagement_id || '-next' as"
        f" engagement_id) from {_parts(data, 'campaign_engagements')}"
        f" where occurred_on = date '{day}'",
        data / "campaign_engagements" / "zz_next.parquet",
    )


def as_of(build_file: Path) -> date:
    """The as-of date of a finished build."""
    with duckdb.connect(str(build_file), read_only=True) as connection:
        row = connection.execute("select as_of_on from staging.as_of").fetchone()
    assert row is not None
    found = row[0]
    assert isinstance(found, date)
    return found


def _parts(data: Path, entity: str) -> str:
    return f"read_parquet('{data / entity}/*.parquet')"


def _write(query: str, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")
