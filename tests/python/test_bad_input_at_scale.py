"""Many customers in parts, and one part, the disk or the memory lets the build down.

Each ends in one sentence and an exit code that is not 0, what is published stays as it is, and the
same command goes through once the trouble is mended. dbt runs in this process where a part is
broken; what a machine lacks is shown by `make load` as a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import copy_project
from test_bad_input import SETTINGS, Warehouse, assert_one_sentence, assert_refused

from benchmarks import generate, profile
from pipeline import load
from pipeline.sentences import of_too_small_a_machine
from pipeline.settings import Settings

pytestmark = pytest.mark.long

CUSTOMERS = 20_000
IN_PARTS = ("customers", "transactions")
PARTS = 3
ODD = 1
JUDGED = "+data_quality"
LOAD = (sys.executable, "-m", "pipeline.load")
PUBLISH = (sys.executable, "-m", "pipeline.publish")


class Bank:
    """A RAW_DATA folder with parts of one kind; number ODD of them is the one to break."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind

    def part(self, entity: str, number: int = ODD) -> Path:
        return self.folder / entity / f"part-{number}.{self.kind}"

    def rows(self, entity: str) -> int:
        with duckdb.connect() as connection:
            row = connection.execute(f"select count(*) from {self.reader(entity, '*')}").fetchone()
        assert row is not None
        return int(row[0])

    def reader(self, entity: str, number: int | str) -> str:
        path = self.folder / entity / f"part-{number}.{self.kind}"
        options = "" if self.kind == "parquet" else ", all_varchar = true"
        return f"read_{self.kind}('{path}'{options})"

    def rewrite(self, entity: str, columns: str) -> None:
        """Write the part anew, with other `columns` of itself."""
        path = self.part(entity)
        new = path.with_name("new")
        options = "format parquet" if self.kind == "parquet" else "format csv, header"
        with duckdb.connect() as connection:
            rows = self.reader(entity, ODD)
            connection.execute(f"copy (select {columns} from {rows}) to '{new}' ({options})")
        new.replace(path)

    @contextmanager
    def mended(self, entity: str) -> Iterator[None]:
        """Put the part back as it was after the block."""
        whole = self.part(entity).read_bytes()
        try:
            yield
        finally:
            self.part(entity).write_bytes(whole)

    def columns(self, entity: str) -> list[str]:
        with duckdb.connect() as connection:
            return connection.sql(f"from {self.reader(entity, ODD)}").columns


Change = Callable[[Bank, str], object]
full = pytest.mark.full


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of a generated bank, each as one Parquet file."""
    folder = tmp_path_factory.mktemp("drawn")
    few = ["--transactions-per-customer", "4", "--engagements-per-customer", "2"]
    generate.main(
        ["--customers", str(CUSTOMERS), "--out", str(folder), "--format", "parquet", *few]
    )
    return folder


def bank_of(drawn: Path, folder: Path, kind: str) -> Bank:
    options = "format parquet" if kind == "parquet" else "format csv, header"
    with duckdb.connect() as connection:
        for source in sorted(drawn.rglob("*.parquet")):
            entity = source.stem if source.parent == drawn else source.parent.name
            (folder / entity).mkdir(parents=True)
            parts = PARTS if entity in IN_PARTS else 1
            for number in range(parts):
                connection.execute(
                    f"copy (select * exclude (file_row_number)"
                    f" from read_parquet('{source}', file_row_number = true)"
                    f" where file_row_number % {parts} = {number})"
                    f" to '{folder / entity}/part-{number}.{kind}' ({options})"
                )
    return Bank(folder, kind)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    root = tmp_path_factory.mktemp("at_scale") / "project"
    copy_project(root)
    return Warehouse(root)


@pytest.fixture(scope="module")
def parquet_bank(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return bank_of(drawn, tmp_path_factory.mktemp("parquet") / "raw", "parquet")


@pytest.fixture(scope="module")
def csv_bank(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return bank_of(drawn, tmp_path_factory.mktemp("csv") / "raw", "csv")


@pytest.fixture
def published(warehouse: Warehouse) -> Iterator[Path]:
    """A folder of published files that no command may touch."""
    folder = warehouse.root / "published"
    folder.mkdir()
    (folder / "warehouse.duckdb").write_bytes(b"published before")
    yield folder
    shutil.rmtree(folder)


def run(warehouse: Warehouse, *command: str, **environment: str) -> Any:
    """Run a command in the copy of the project with nothing set but what is given."""
    # dbt in this process keeps the build file open.
    load._close_build_file()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*SETTINGS, "MEMORY_LIMIT", "SPILL_FOLDER", "PYTHONDONTWRITEBYTECODE")
    }
    return subprocess.run(
        command,
        cwd=warehouse.root,
        env={**kept, "PWD": str(warehouse.root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_nothing_is_published(warehouse: Warehouse, bank: Bank, published: Path) -> None:
    before = digest(published)
    done = run(warehouse, *PUBLISH, RAW_DATA=str(bank.folder))
    assert done.returncode == 1
    assert done.stderr.startswith("Nothing was published: the last")
    assert digest(published) == before


def accepted(warehouse: Warehouse, bank: Bank, entity: str) -> list[tuple[Any, ...]]:
    """The number of an entity's accepted rows, and a hash over them in whatever order."""
    hashed = "sum(cast(hash(accepted) as hugeint))"
    query = f"select count(*), {hashed} from staging.stg_{entity} as accepted"
    return warehouse.ask(bank.folder, query)


def assert_everything_is_read(warehouse: Warehouse, bank: Bank) -> None:
    """The same command goes through, and every row that was handed in is accounted for."""
    assert warehouse.build(bank.folder, JUDGED) == []
    received = dict(
        warehouse.ask(
            bank.folder,
            "select entity, row_count from health.data_quality"
            " where check_type = 'total' and check_name = 'received'",
        )
    )
    for entity in IN_PARTS:
        assert received[entity] == bank.rows(entity)


# --- a part that is not what the others are ---


def cut(bank: Bank, entity: str) -> None:
    """Leave the first half of the part, up to the middle of a line."""
    path = bank.part(entity)
    whole = path.read_bytes()
    at = whole.index(b"\n", len(whole) // 2) + 10 if bank.kind == "csv" else len(whole) // 2
    path.write_bytes(whole[:at])


def with_columns(columns: str) -> Change:
    return lambda bank, entity: bank.rewrite(entity, columns)


@dataclass(frozen=True)
class Broken:
    """What is done to one part of an entity, and what the sentence says."""

    kind: str
    entity: str
    change: Change
    says: tuple[str, ...]


BROKEN = {
    "Parquet truncated": Broken(
        "parquet", "transactions", cut, ("cannot be read as Parquet", "export it again")
    ),
    "CSV truncated": Broken(
        "csv", "transactions", cut, ("ends inside its last line", "hand it in again")
    ),
    "CSV of customers truncated": Broken(
        "csv", "customers", cut, ("ends inside its last line", "hand it in again")
    ),
    "amounts as other text": Broken(
        "parquet",
        "transactions",
        with_columns("* replace ('EUR ' || amount as amount)"),
        ("transactions: ", "5 %", "bad_amount", "most in part-1.parquet ("),
    ),
    "lists instead of numbers": Broken(
        "parquet",
        "customers",
        with_columns("* replace ([birth_year] as birth_year)"),
        ("has the column birth_year as BIGINT", "BIGINT[] of another part", "the same types"),
    ),
    "a required column gone": Broken(
        "parquet",
        "transactions",
        with_columns("* exclude (amount)"),
        ("has no column amount", "it has transaction_id"),
    ),
}
FULL = ("CSV of customers truncated", "a required column gone")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=full if name in FULL else ()) for name in BROKEN]
)
def test_one_part_that_cannot_be_read_with_the_others_is_named(
    warehouse: Warehouse, parquet_bank: Bank, csv_bank: Bank, published: Path, name: str
) -> None:
    broken = BROKEN[name]
    bank = {"parquet": parquet_bank, "csv": csv_bank}[broken.kind]
    with bank.mended(broken.entity):
        broken.change(bank, broken.entity)
        said = warehouse.build(bank.folder, JUDGED)
        assert_one_sentence(said, *broken.says)
        assert f"part-1.{broken.kind}" in said[0] or "of another part" in said[0]
        assert_nothing_is_published(warehouse, bank, published)
    assert_everything_is_read(warehouse, bank)


def test_a_part_in_another_order_and_of_another_type_is_read_as_the_others(
    warehouse: Warehouse, parquet_bank: Bank
) -> None:
    bank = parquet_bank
    assert_everything_is_read(warehouse, bank)
    before = accepted(warehouse, bank, "transactions")
    turned = ", ".join(reversed(bank.columns("transactions")))
    with bank.mended("transactions"):
        bank.rewrite("transactions", turned.replace("amount", "cast(amount as varchar) as amount"))
        assert_everything_is_read(warehouse, bank)
        assert accepted(warehouse, bank, "transactions") == before


# --- a part that is gone while it is read ---


@pytest.mark.parametrize(
    ("kind", "node"),
    [
        pytest.param("parquet", "received_transactions", marks=full),
        ("parquet", "base_transactions"),
        pytest.param("parquet", "ingested_files", marks=full),
        ("csv", "received_transactions"),
    ],
)
def test_a_part_that_disappears_during_the_build_is_named(
    warehouse: Warehouse,
    parquet_bank: Bank,
    csv_bank: Bank,
    published: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    node: str,
) -> None:
    """It goes in the moment when `node` begins."""
    bank = {"parquet": parquet_bank, "csv": csv_bank}[kind]
    path = bank.part("transactions")

    def take_away(event: Any) -> None:
        if event.info.name == "NodeStart" and event.data.node_info.node_name == node:
            path.unlink(missing_ok=True)

    with bank.mended("transactions"):
        # A part of other bytes, since what is made of the same is not read again.
        bank.rewrite("transactions", "* replace ('other' as category)")
        with monkeypatch.context() as patch:
            patch.setattr(warehouse, "_runner", partial(warehouse._runner, callbacks=[take_away]))
            said = warehouse.build(bank.folder, JUDGED, "ingested_files")
        assert not path.exists()
        assert_one_sentence(said, f"transactions/part-1.{bank.kind}", "is gone", "put it back")
        assert_nothing_is_published(warehouse, bank, published)
    assert_everything_is_read(warehouse, bank)


# --- a machine that is too small ---


@pytest.fixture
def small_disk(warehouse: Warehouse, drawn: Path, tmp_path: Path) -> Iterator[tuple[Bank, Path]]:
    """A bank with a disk for its build folder and dbt's log that holds a part of the build."""
    bank = bank_of(drawn, tmp_path / "raw", "parquet")
    disk = warehouse.file(bank.folder).parent
    disk.mkdir(parents=True)
    mounted = mount(disk, "8m")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    logs = warehouse.root / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    (disk / "logs").mkdir()
    logs.symlink_to(disk / "logs")
    try:
        yield bank, disk
    finally:
        logs.unlink()
        load._close_build_file()
        subprocess.run(["umount", str(disk)], check=True)


def mount(disk: Path, size: str, also: str = "") -> Any:
    return subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"{also}size={size}", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_is_named_and_with_more_room_the_build_goes_through(
    warehouse: Warehouse, small_disk: tuple[Bank, Path], published: Path
) -> None:
    bank, disk = small_disk
    done = run(warehouse, *LOAD, RAW_DATA=str(bank.folder))
    assert_refused(done, "No space is left on the disk of build/dev/", "make room there")
    assert_nothing_is_published(warehouse, bank, published)
    assert mount(disk, "1g", "remount,").returncode == 0
    assert_everything_is_read(warehouse, bank)


def test_too_little_memory_is_named_and_with_more_the_build_goes_through(
    warehouse: Warehouse, parquet_bank: Bank, published: Path
) -> None:
    bank = parquet_bank
    done = run(warehouse, *LOAD, RAW_DATA=str(bank.folder), MEMORY_LIMIT="20MB")
    assert_refused(done, "needs more memory than DuckDB may use", "MEMORY_LIMIT=8GB")
    assert_nothing_is_published(warehouse, bank, published)
    assert_everything_is_read(warehouse, bank)


def test_what_does_not_fit_into_memory_is_spilled_where_it_is_told(
    warehouse: Warehouse, parquet_bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = parquet_bank
    limits = {"MEMORY_LIMIT": "100MB", "SPILL_FOLDER": str(tmp_path), "SEGMART_PROFILE": "1"}
    settings = Settings.from_environment({"RAW_DATA": str(bank.folder), **limits}, warehouse.root)
    folder = settings.spill_folder
    assert folder is not None and folder.parent == tmp_path
    assert settings.duckdb_config == {"memory_limit": "100MB", "temp_directory": str(folder)}
    seen = set()
    callback = [lambda event: seen.update(tmp_path.iterdir())]
    monkeypatch.setattr(warehouse, "_runner", partial(warehouse._runner, callbacks=callback))
    warehouse.file(bank.folder).unlink(missing_ok=True)
    assert warehouse.build(bank.folder, JUDGED, environment=limits) == []
    assert seen == {folder}
    spilled = profile.spilled_of(settings.build_folder / "profile", since=0)
    assert spilled["base_transactions"] > 0


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            'IO Error: Could not write file "/data/build/warehouse.duckdb.wal": No space left on '
            "device",
            "No space is left on the disk of /data/build; make room there",
        ),
        ("OSError: [Errno 28] No space left on device: '/data/x'", "on the disk of /data; make"),
        (
            "Out of Memory Error: failed to offload data block of size 256.0 KiB (19.0 MiB/20.0 MiB"
            " used).\nThis limit was set by the 'max_temp_directory_size' setting.",
            "No space is left; make room there, or let DuckDB spill to another disk (SPILL_FOLDER)",
        ),
        (
            "Out of Memory Error: failed to pin block of size 256.0 KiB (57.2 MiB/57.2 MiB used)",
            "a.sql needs more memory than DuckDB may use (57.2 MiB); give it more, such as MEMORY",
        ),
        ("numpy._ArrayMemoryError: Unable to allocate 9 GiB", "a.sql needs more memory than is"),
        ("Parser Error: syntax error", None),
    ],
)
def test_what_a_machine_lacks_is_told_from_other_errors(message: str, says: str | None) -> None:
    said = of_too_small_a_machine(message, "a.sql")
    assert (said is None) == (says is None)
    assert says is None or says in str(said)
