"""Times builds on top of a finished one: nothing new, a corrected batch, one more day.

`make bench SIZE=M UPDATES=1`. Each is a plain `dbt build` of its own process on the build file of
the full build before them; ratios are of wall time within the run. Times are read, never asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.bench import measured
from benchmarks.scale import ROOT, SIZES, cpu_seconds, raw_data
from pipeline.settings import Settings

# One customer in a hundred: those whose number ends in these digits.
TOUCHED = "right(customer_id, 2) = '07'"


def main(arguments: list[str] | None = None) -> int:
    """Build everything, then what lands on top of it; print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    data = grown_copy(raw_data(parser.parse_args(arguments).size))
    environment = {"RAW_DATA": str(data)}
    build_folder = Settings.from_environment({**os.environ, **environment}).build_folder
    shutil.rmtree(build_folder, ignore_errors=True)
    steps: dict[str, Callable[[], object]] = {
        "full": lambda: None,
        "nothing new": lambda: None,
        "batch of 1 % of customers": lambda: land_corrections(data),
        "one more day": lambda: land_a_day(data, as_of(build_folder / "warehouse.duckdb")),
    }
    command = [str(Path(sys.executable).with_name("dbt")), "--quiet", "build"]
    command += ["--exclude-resource-type", "unit_test"]
    print(
        f"{'build':<28} {'seconds':>8} {'CPU s':>8} {'peak MB':>8} {'ratio':>6} {'unchanged':>12}"
    )
    full = 0.0
    for name, land in steps.items():
        land()
        before = cpu_seconds()
        seconds, peak_bytes, returncode = measured(command, ROOT, environment)
        if returncode:
            print(f"The build {name} failed; logs/dbt.log says why.", file=sys.stderr)
            return 1
        full = full or seconds
        print(
            f"{name:<28} {seconds:>8.1f} {cpu_seconds() - before:>8.1f} {peak_bytes / 1e6:>8.0f} "
            f"{seconds / full:>6.2f} {unchanged():>12}",
            flush=True,
        )
    return 0


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


def unchanged() -> str:
    """How many models the last run left as they were."""
    results = json.loads((ROOT / "target" / "run_results.json").read_text())["results"]
    models = [row for row in results if row["unique_id"].startswith("model.")]
    left = sum(row["message"] == "UNCHANGED" for row in models)
    return f"{left} of {len(models)}"


def _parts(data: Path, entity: str) -> str:
    return f"read_parquet('{data / entity}/*.parquet')"


def _write(query: str, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")


if __name__ == "__main__":
    raise SystemExit(main())
