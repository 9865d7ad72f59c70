"""What is left as it is was made of the same: a build on top of another equals one made anew."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import OWN_VARIABLES, copy_project, run_dbt
from raw_folders import good_tables, write_csv, write_good_folder

pytestmark = pytest.mark.long

Rows = list[dict[str, str]]
# Trials of refits stay for the next build on the same data; the latest members are those of the
# build before, whatever made it.
KEPT = ("segments.latest_segment_members", "segments.refit_trials")
# Where a build keeps its own books, or says which build it was.
OWN_SCHEMAS = ("internal", "information_schema", "main", "pg_catalog", "state")
# Enough that the broken rows of all batches stay below the share that stops a build.
CUSTOMERS = 800


class Bank:
    """A folder of raw files that grows by batches, and a project that builds it."""

    def __init__(self, folder: Path) -> None:
        self.raw = folder / "raw"
        self.project = folder / "project"
        copy_project(self.project)
        self.tables = tables = good_tables(CUSTOMERS)
        # A column that one part lacks counts as missing in all.
        self.transactions = [{**row, "is_deleted": ""} for row in tables["transactions"]]
        write_good_folder(self.raw, {**tables, "transactions": self.transactions})
        for entity in (
            "customers",
            "product_holdings",
            "transactions",
            "digital_sessions",
            "campaign_engagements",
        ):
            part = self.raw / entity / "part_m.csv"
            part.parent.mkdir()
            (self.raw / f"{entity}.csv").rename(part)

    def build(self, *arguments: str) -> dict[str, str]:
        """Make every model; the message of each."""
        run_dbt(
            self.project,
            "build",
            "--resource-types",
            "model",
            "seed",
            *arguments,
            RAW_DATA=str(self.raw),
        )
        found = json.loads((self.project / "target" / "run_results.json").read_text())
        return {row["unique_id"].split(".")[-1]: row["message"] for row in found["results"]}

    @property
    def file(self) -> Path:
        return next((self.project / "build" / "dev").glob("*/warehouse.duckdb"))

    def touched(self, model: str) -> int:
        """Of how many customers the last build made rows of this raw table again."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            row = connection.execute(f"select count(*) from internal.{model}_touched").fetchone()
        assert row is not None
        return int(row[0])

    def land(self, entity: str, name: str, rows: Rows) -> None:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        write_csv(self.raw / entity / name, [{c: row.get(c, "") for c in columns} for row in rows])


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    bank = Bank(tmp_path_factory.mktemp("bank"))
    bank.build()
    return bank


def late(bank: Bank, draw: random.Random) -> Rows:
    """Events of days long past, one of them beyond the as-of date."""
    rows = [dict(row) for row in draw.sample(bank.transactions, 12)]
    for number, row in enumerate(rows):
        row["transaction_id"] = f"late-{draw.randrange(10**9)}-{number}"
        day = date.fromisoformat(row["transacted_at"][:10]) - timedelta(days=draw.randrange(200))
        row["transacted_at"] = f"{day} 10:00:00"
    rows[-1]["transacted_at"] = "2031-01-01 10:00:00"
    return rows


def correction(bank: Bank, draw: random.Random) -> Rows:
    """Accepted rows handed in again: another amount, another customer, a broken one."""
    rows = [dict(row) for row in draw.sample(bank.transactions, 9)]
    for row in rows[:3]:
        row["amount"] = f"{draw.randrange(1, 9000) / 100:.2f}"
    for row in rows[3:6]:
        row["customer_id"] = draw.choice(bank.transactions)["customer_id"]
    for row in rows[6:]:
        row["amount"] = "nonsense"
    return rows


def mended(bank: Bank, draw: random.Random) -> Rows:
    """A row that another file of the same batch broke."""
    broken = [dict(row) for row in late(bank, draw)[:4]]
    for row in broken:
        row["amount"] = "0"
    bank.land("transactions", f"a{draw.randrange(10**6)}.csv", broken)
    return [row | {"amount": "12.50"} for row in broken]


def deletion(bank: Bank, draw: random.Random) -> Rows:
    """Rows taken back by their key."""
    chosen = draw.sample(bank.transactions, 5)
    return [{"transaction_id": row["transaction_id"], "is_deleted": "true"} for row in chosen]


KINDS: tuple[Callable[[Bank, random.Random], Rows], ...] = (late, correction, mended, deletion)


def land_batch(bank: Bank, draw: random.Random) -> None:
    """Parts of every kind under names in any order, one of them twice."""
    for kind in draw.sample(KINDS, draw.randrange(1, len(KINDS) + 1)):
        everything = [
            {**dict.fromkeys(bank.transactions[0], ""), **row} for row in kind(bank, draw)
        ]
        name = f"{draw.choice('bkxz')}{draw.randrange(10**6)}"
        bank.land("transactions", f"{name}.csv", everything)
        if draw.random() < 0.5:
            bank.land("transactions", f"{name}_again.csv", everything)


def tables_of(path: Path) -> dict[str, pd.DataFrame]:
    """Every table and view of a build file, its rows in an order of their own."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            f"where table_schema not in {OWN_SCHEMAS} order by all"
        ).fetchall()
        return {
            name: connection.sql(f"from {name} order by all").df()
            for (name,) in names
            if name not in KEPT
        }


def assert_same(found: Path, expected: Path) -> None:
    """Equal tables: sums to 1e-9; interval ends, differences of nearly equal numbers, to 1e-7."""
    ours, anew = tables_of(found), tables_of(expected)
    assert ours.keys() == anew.keys()
    differing = []
    for name, frame in anew.items():
        for column in frame:
            left, right = ours[name][column], frame[column]
            if len(left) != len(right):
                differing.append(f"{name}: {len(left)} and {len(right)} rows")
            elif pd.api.types.is_float_dtype(right):
                close = 1e-7 if str(column).endswith(("_low", "_high")) else 1e-9
                low, high = np.sort(left.to_numpy()), np.sort(right.to_numpy())
                if not np.allclose(low, high, rtol=close, atol=close, equal_nan=True):
                    differing.append(f"{name}.{column}: {np.nanmax(np.abs(low - high))}")
            elif sorted(map(str, left)) != sorted(map(str, right)):
                differing.append(f"{name}.{column}")
    assert differing == []


def let_customers_come_and_go(bank: Bank) -> None:
    """Events of nobody known yet, then whose they are; a customer less; files before all others."""
    customers, engagements = bank.tables["customers"], bank.tables["campaign_engagements"]
    events = [
        row | {"transaction_id": f"new-{number}", "customer_id": "N00001"}
        for number, row in enumerate(bank.transactions[:5])
    ]
    bank.land("transactions", "a.csv", events)
    bank.land("transactions", "zz.csv", [events[0] | {"transaction_id": "z1"}])
    bank.build()
    with duckdb.connect(str(bank.file), read_only=True) as connection:
        unknown = connection.execute(
            "select source_file, source_row from quarantine.rejected_rows "
            "where broken_rules = 'unknown_customer' order by all"
        ).fetchall()
    assert unknown == [*(("a.csv", number) for number in range(1, 6)), ("zz.csv", 1)]
    bank.land(
        "customers",
        "zz.csv",
        [
            customers[0] | {"customer_id": "N00001"},
            customers[1] | {"is_deleted": "true", "updated_at": "2025-06-01 20:00:00"},
            customers[2] | {"monthly_income": "123.50", "updated_at": "2025-03-01 20:00:00"},
        ],
    )
    bank.land("campaign_engagements", "a.csv", [row | {"clicks": "0"} for row in engagements[:7]])
    bank.land(
        "digital_sessions",
        "a.csv",
        [row | {"used_on": "2024-11-03"} for row in bank.tables["digital_sessions"][:9]],
    )
    bank.land(
        "product_holdings",
        "zz.csv",
        [row | {"closed_on": "2025-01-05"} for row in bank.tables["product_holdings"][:4]],
    )
    bank.build()
    assert 2 <= bank.touched("base_customers") < 10
    for model in ("base_campaign_engagements", "base_digital_sessions", "base_product_holdings"):
        assert 4 <= bank.touched(model) < 25, model


@pytest.mark.parametrize(
    ("seed", "batches"),
    [(20260630, 1), *(pytest.param(seed, 5, marks=pytest.mark.full) for seed in range(4))],
)
def test_batches_one_after_another_give_what_a_full_refresh_gives(
    seed: int, batches: int, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    bank = Bank(tmp_path / "bank")
    bank.build()
    for _ in range(batches):
        land_batch(bank, draw)
        messages = bank.build()
        # Nothing was handed in that they rest on.
        assert messages["received_customers"] == messages["stg_campaigns"] == "UNCHANGED"
        assert messages["base_transactions"] != "UNCHANGED"
        assert 0 < bank.touched("base_transactions") < CUSTOMERS / 4
    let_customers_come_and_go(bank)
    grown = shutil.copy(bank.file, tmp_path / "warehouse.duckdb")
    messages = bank.build("--full-refresh")
    assert "UNCHANGED" not in messages.values()
    assert_same(grown, bank.file)


def test_a_file_taken_away_leaves_no_trace(bank: Bank, tmp_path: Path) -> None:
    bank.build()
    before = shutil.copy(bank.file, tmp_path / "warehouse.duckdb")
    bank.land("transactions", "zz.csv", [dict(row) | {"amount": "1"} for row in bank.transactions])
    assert bank.build()["base_transactions"] != "UNCHANGED"
    (bank.raw / "transactions" / "zz.csv").unlink()
    bank.build()
    assert_same(bank.file, before)


def test_only_what_rests_on_a_changed_file_is_made(bank: Bank) -> None:
    # Twice: what reads its own members of the last build has to see them settle.
    bank.build()
    bank.build()
    again = bank.build()
    always = {name for name, message in again.items() if message != "UNCHANGED"}
    with duckdb.connect(str(bank.file), read_only=True) as connection:
        made = connection.execute("select count(*) from internal.recipes").fetchone()
    assert made is not None and made[0] > 200
    # What is only ever added to looks at what it has; no other table is made again.
    assert {name for name in always if not name.startswith("segmart-on-run")} == {
        "fit_choices",
        "fit_quality",
        "refit_trials",
        "segment_fit_distributions",
        "segment_fits",
        "segmentation_noise_check",
    }
    sessions = (bank.raw / "digital_sessions" / "part_m.csv").read_text()
    (bank.raw / "digital_sessions" / "part_m.csv").write_text(sessions + sessions.split("\n")[1])
    messages = bank.build()
    assert messages["base_digital_sessions"] != "UNCHANGED"
    assert messages["base_transactions"] == messages["segment_transactions"] == "UNCHANGED"
    # A line that is there twice is superseded: the accepted rows are those of before.
    assert messages["int_customer_touchpoints"] != "UNCHANGED"
    assert messages["segment_digital_usage"] == "UNCHANGED"


def test_what_is_left_as_it_is_is_still_judged_by_its_hooks(bank: Bank) -> None:
    """A limit may have become stricter though no row has changed."""
    broken = [dict(row) | {"amount": "nonsense"} for row in bank.transactions[:3]]
    bank.land("transactions", "broken.csv", broken)
    bank.build()
    with pytest.raises(AssertionError, match=r"broken_share_limit"):
        bank.build("--vars", "{broken_share_limit: 0.000001}")
    (bank.raw / "transactions" / "broken.csv").unlink()


def test_a_killed_run_leaves_nothing_to_rest_on(bank: Bank) -> None:
    bank.build()
    kept = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    running = subprocess.Popen(
        [Path(sys.executable).with_name("dbt"), "run", "--full-refresh"],
        cwd=bank.project,
        env=kept | {"PWD": str(bank.project), "RAW_DATA": str(bank.raw)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    for line in running.stdout:
        if " OK created " in line:
            break
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(0.1)
    with duckdb.connect(str(bank.file)) as connection:
        found = connection.execute(
            "from information_schema.tables where table_name = 'recipes'"
        ).fetchall()
    assert found == []
    assert "UNCHANGED" not in bank.build().values()
