"""A build with nothing new does nothing; whatever is new, missing or damaged makes it anew."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import OWN_VARIABLES, PROJECT, copy_project
from raw_folders import write_good_folder
from test_publish import TABLES

from pipeline import build, finished, gate, load, publish, report
from pipeline.sentences import UserError
from pipeline.settings import Settings

STEPS = ["load", "gate", "publish"]
SOURCES = {
    "dbt_project.yml": "vars: {published_versions_kept: 3}\n",
    "requirements.lock": "duckdb==1",
    "profiles.yml": "segmart:",
    "selectors.yml": "selectors:",
    **{
        f"{folder}/deep/one.{suffix}": "text"
        for folder, suffix in (
            ("dashboard", "yml"),
            ("expectations", "json"),
            ("macros", "sql"),
            ("models", "sql"),
            ("pipeline", "py"),
            ("python_models", "py"),
            ("seeds", "csv"),
            ("segmentation", "py"),
            ("tests/data", "sql"),
        )
    },
}


class Bank:
    """A folder of raw files and a project whose load and gate are made up; publishing is real."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.raw = root / "bank"
        self.patch = patch
        self.steps: list[str] = []
        self.during: Callable[[str], int] = lambda step: 0
        for name, text in SOURCES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (self.raw / "transactions").mkdir(parents=True)
        (self.raw / "customers.csv").write_text("customer_id\n1\n")
        (self.raw / "transactions" / "a.csv").write_text("amount\n5\n")
        patch.chdir(root)
        for name in [*os.environ]:
            if name in OWN_VARIABLES or name.startswith(("SEGMART_", "DBT_")):
                patch.delenv(name)
        patch.setenv("RAW_DATA", str(self.raw))
        patch.setattr(load, "main", self._load)
        patch.setattr(gate, "main", self._gate)
        real = publish.publish

        def followed(settings: Settings) -> publish.BuildInfo:
            self.steps.append("publish")
            self.during("publish")
            return real(settings)

        patch.setattr(publish, "publish", followed)

    @property
    def settings(self) -> Settings:
        return Settings.from_environment()

    def _load(self) -> int:
        self.steps.append("load")
        settings = self.settings
        settings.build_file.unlink(missing_ok=True)
        version = time.time_ns() % 10**9
        values = {
            "build_id": f"build-{version}",
            "source": "bank",
            "as_of": "2026-03-31",
            "input_hash": f"{version:08x}",
            "is_complete": True,
            "is_green": True,
            "problem": "null",
            "rows": 10,
            "version": version,
        }
        with duckdb.connect(str(settings.build_file)) as connection:
            connection.execute(TABLES.format(**values))
            connection.execute("create schema state")
            for schema in ("state", "segments"):
                connection.execute(f"create table {schema}.segment_fits as select 1 as one")
        return self.during("load")

    def _gate(self) -> int:
        self.steps.append("gate")
        with duckdb.connect(str(self.settings.build_file), read_only=True) as connection:
            rows = connection.execute("select build_id from internal.build_state").fetchall()
        self.settings.gate_file.write_text(json.dumps({"build_id": rows[0][0], "success": True}))
        return self.during("gate")

    def make(self) -> list[str]:
        """The steps that `make build` runs now."""
        self.steps.clear()
        build.main()
        return list(self.steps)

    def new(self) -> list[str]:
        """What is new since it was published, as `make build` sees it."""
        last = finished.noted(self.settings)
        assert last is not None
        return last.other_now(self.settings, finished.parts_read(self.settings, os.environ))

    def note_again(self) -> None:
        """Take everything that is there for what the last build read and left."""
        read = finished.parts_read(self.settings, os.environ)
        finished.note(self.settings, os.environ, read, publish.published_info(self.settings))


@pytest.fixture(scope="module")
def one_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A bank that was built and published, for tests that leave it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        bank = Bank(tmp_path_factory.mktemp("bank") / "project", patch)
        assert bank.make() == STEPS
        yield bank


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    """A bank of its own that was built and published."""
    bank = Bank(tmp_path / "project", monkeypatch)
    assert bank.make() == STEPS
    return bank


# The notes on hashes and the log are written by every command.
OWN_BOOKS = ("file_hashes.json", "segmart.jsonl")


def test_nothing_new_is_said_in_a_line_and_shown_as_ever(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    (bank.raw / "customers.csv").write_text("customer_id\n2\n")
    bank.make()
    build_id = json.loads(bank.settings.gate_file.read_text())["build_id"]
    first = capsys.readouterr().out
    files = sorted(path for path in bank.root.rglob("*") if path.is_file())
    before = {path: path.stat() for path in files if path.name not in OWN_BOOKS}
    assert bank.make() == []
    told, *summary = capsys.readouterr().out.splitlines()
    assert told == (
        f"Nothing has changed since build {build_id[:8]}, as of 2026-03-31, which is published; "
        "make load gate publish makes it anyway."
    )
    assert summary == first.splitlines()
    assert {path: path.stat() for path in before} == before


def test_a_file_written_added_or_removed_is_new(bank: Bank) -> None:
    raw = ("customers.csv", "transactions/a.csv", "transactions/b.csv", "claims.csv")
    names = {f"bank/{name}": "the raw files" for name in (*raw, "source_name.txt")}
    names |= dict.fromkeys(SOURCES, "the project")
    names |= {f"{Path(name).parent}/new.sql": "the project" for name in SOURCES if "/" in name}
    for name, part in names.items():
        path = bank.root / name
        before = path.read_text() if path.exists() else None
        # As long as before, where there was one: by its size alone nothing could be told.
        path.write_text(f"{before[:-1]}#" if before else "bank")
        assert bank.new() == [part], name
        path.unlink()
        if before is not None:
            assert name == "dbt_project.yml" or bank.new() == [part], name
            path.write_text(before)
        assert bank.new() == [], name


def test_a_file_under_another_name_is_new(bank: Bank) -> None:
    (bank.raw / "transactions" / "a.csv").rename(bank.raw / "transactions" / "b.csv")
    assert bank.new() == ["the raw files"]
    assert bank.make() == STEPS
    assert bank.make() == []


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("AS_OF", "2026-03-31", "the settings"),
        ("MEMORY_LIMIT", "8GB", "the settings"),
        ("RAW_FORMAT", "{decimal: ','}", "the settings"),
        ("REPORT", "yes", "the settings"),
        ("SEGMART_DROPPED", "customers.region", "the settings"),
        ("DBT_THREADS", "1", "the settings"),
        ("PUBLISHED", "elsewhere", "what is published"),
        ("STATE", "elsewhere", "its history"),
    ],
)
def test_another_setting_is_new(one_bank: Bank, name: str, value: str, part: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        assert one_bank.new() == [part]
    assert one_bank.new() == []


@pytest.mark.parametrize("name", ["SEGMART_REFIT", "SEGMART_FIT", "DBT_FULL_REFRESH"])
def test_what_is_asked_for_is_done_each_time(bank: Bank, name: str) -> None:
    bank.patch.setenv(name, "all")
    assert [bank.make(), bank.make()] == [STEPS, STEPS]


def test_another_library_is_new(bank: Bank) -> None:
    assert f"duckdb-{duckdb.__version__}.dist-info" in finished._installed()
    bank.patch.setattr(finished, "_installed", lambda: ["duckdb-9.9.9.dist-info"])
    assert bank.new() == ["Python and its libraries"]


def test_each_source_and_target_has_its_own_note(bank: Bank) -> None:
    bank.patch.setenv("SEGMART_TARGET", "prod")
    assert bank.make() == STEPS
    bank.patch.delenv("SEGMART_TARGET")
    assert bank.make() == []


def test_what_a_build_does_not_read_is_not_new(bank: Bank) -> None:
    for path in (bank.raw / "customers.csv", bank.root / "models/deep/one.sql"):
        path.touch()
    for name in (
        "README.md",
        "bank/.customers.csv.swp",
        "models/.one.sql.swp",
        "pipeline/__pycache__/one.pyc",
        "logs/dbt.log",
        "published/notes.txt",
        "tests/python/test_one.py",
    ):
        (bank.root / name).parent.mkdir(parents=True, exist_ok=True)
        (bank.root / name).write_text("text")
    bank.patch.setenv("JOBS", "7")
    assert bank.make() == []


LEFT = {
    "published/warehouse.duckdb": "what is published",
    "published/customers.duckdb": "what is published",
    "published/how_to_read_a_verdict.md": "what is published",
    "published/fits/behaviour.json": "what is published",
    "published/parquet/latest/marts/numbers.parquet": "what is published",
    "build/dev/*/warehouse.duckdb": "the build's own books",
    "build/dev/*/gate.json": "the build's own books",
    "build/dev/*/published_columns.csv": "the build's own books",
    "state/dev/bank/state.json": "its history",
    "state/dev/bank/*/segment_fits.parquet": "its history",
}


def test_what_is_missing_or_harmed_is_made_again(bank: Bank) -> None:
    def written_over(path: Path, content: bytes) -> None:
        moment = path.stat().st_mtime_ns
        path.write_bytes(b"#" + content[1:])
        os.utime(path, ns=(moment, moment))

    harms: dict[str, Callable[[Path, bytes], object]] = {
        "removed": lambda path, content: path.unlink(),
        "cut short": lambda path, content: path.write_bytes(content[:-3]),
        "written over": written_over,
    }
    for name, part in LEFT.items():
        (path,) = bank.root.glob(name)
        content = path.read_bytes()
        for harm, do in harms.items():
            do(path, content)
            assert bank.new() == [part], (name, harm)
            path.write_bytes(content)
            bank.note_again()
            assert bank.new() == []
    path.unlink()
    assert bank.make() == STEPS
    assert bank.make() == []


def test_what_a_killed_program_left_beside_a_database_is_noticed(bank: Bank) -> None:
    for name in ("published/warehouse", "published/customers", "build/dev/*/warehouse"):
        (path,) = bank.root.glob(f"{name}.duckdb")
        left = path.with_name(f"{path.name}.wal")
        left.write_text("")
        assert len(bank.new()) == 1, name
        left.unlink()
        assert bank.new() == []


def test_latest_of_another_build_is_noticed(bank: Bank) -> None:
    (bank.raw / "customers.csv").write_text("customer_id\n2\n")
    assert bank.make() == STEPS
    latest = bank.root / "published" / "parquet" / "latest"
    (other,) = {path.name for path in latest.parent.iterdir()} - {"latest", latest.readlink().name}
    latest.unlink()
    latest.symlink_to(other)
    assert bank.new() == ["what is published"]


def test_another_publish_over_it_is_noticed(bank: Bank) -> None:
    bank.steps.clear()
    load.main()
    gate.main()
    publish.main()
    assert bank.steps == bank.make() == STEPS


def test_a_damaged_note_costs_a_build(bank: Bank) -> None:
    (path,) = bank.root.glob("build/dev/*/finished.json")
    for text in ("", "[]", "{}", "{", '{"read": {}}'):
        path.write_text(text)
        assert bank.make() == STEPS, text


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", ["fails", "is killed"])
def test_after_a_step_that_did_not_end_everything_is_made(bank: Bank, step: str, how: str) -> None:
    def stop(at: str) -> int:
        if at == step and (how == "is killed" or step == "publish"):
            raise KeyboardInterrupt
        return int(at == step)

    file = bank.raw / "customers.csv"
    before = file.read_text()
    file.write_text("customer_id\n2\n")
    bank.during = stop
    with contextlib.suppress(KeyboardInterrupt):
        bank.make()
    assert bank.steps == STEPS[: STEPS.index(step) + 1]
    bank.during = lambda at: 0
    # What is published is of these very files; the build file no longer is.
    file.write_text(before)
    assert bank.make() == STEPS
    assert bank.make() == []


def test_the_failed_step_gives_the_exit_code(bank: Bank) -> None:
    (bank.raw / "customers.csv").write_text("customer_id\n2\n")
    bank.during = lambda step: 3 if step == "gate" else 0
    assert build.main() == 3


def test_what_changes_during_a_build_is_not_taken_for_built(bank: Bank) -> None:
    (bank.raw / "customers.csv").write_text("customer_id\n2\n")

    def land(step: str) -> int:
        (bank.raw / "transactions" / "b.csv").write_text(step)
        return 0

    bank.during = land
    assert bank.make() == STEPS
    bank.during = lambda step: 0
    # As it was before the build, which may have read it all the same.
    (bank.raw / "transactions" / "b.csv").unlink()
    assert [bank.make(), bank.make()] == [STEPS, []]


def test_a_report_that_was_not_drawn_is_tried_again(bank: Bank) -> None:
    def broken(settings: Settings) -> None:
        raise UserError("The boards cannot be drawn.")

    drawn = bank.root / "published" / "report.html"
    bank.patch.delenv("REPORT")
    bank.patch.setattr(report, "write", broken)
    assert [bank.make(), bank.make()] == [STEPS, STEPS]
    bank.patch.setattr(report, "write", lambda settings: drawn.write_text("drawn"))
    assert [bank.make(), bank.make()] == [STEPS, []]
    drawn.write_text("DRAWN")
    assert bank.make() == STEPS


def test_a_raw_file_that_cannot_be_read_is_for_the_steps_to_tell(bank: Bank) -> None:
    (bank.raw / "customers.csv").unlink()
    (bank.raw / "customers.csv").symlink_to("customers.csv")
    assert bank.make() == STEPS


def test_every_setting_that_a_model_reads_is_looked_at() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in finished.project_files(PROJECT)
        if path.suffix in (".sql", ".yml", ".py")
    ]
    names = set(re.findall(r"(?:env_var\(|environ(?:ment)?\.get\()[\"']([A-Z_]+)", " ".join(texts)))
    assert {"AS_OF", "RAW_FORMAT", "SEGMART_DROPPED", "REPORT"} <= names
    # These name folders, whose content is looked at; the others are of other commands.
    folders = {"RAW_DATA", "PWD", "PUBLISHED", "STATE"}
    others = {"CSV", "CUSTOMER", "DESCRIPTION", "EXPLAIN", "FROM", "M", "NAME", "OUT"}
    others |= {"BY", "PORT", "SEGMENTATION", "TO"}
    # Where DuckDB spills to changes no result.
    others.add("SPILL_FOLDER")
    looked_at = {*finished.SETTINGS, *folders, *others}
    assert not {
        name for name in names - looked_at if not name.startswith(finished.SETTING_PREFIXES)
    }


# --- a whole run ---


def run(folder: Path, *command: str, **environment: str) -> str:
    """What a command prints in a copy of the project; fail if it does."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OWN_VARIABLES and not name.startswith(("SEGMART_", "DBT_", "PUBLISHED"))
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=kept | {"PWD": str(folder), "RAW_DATA": str(folder / "bank")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


def differing_tables(one: Path, other: Path) -> list[str]:
    """The tables that hold other rows, to the last bit; fails where there are none at all."""
    with duckdb.connect() as connection:
        for name, path in (("one", one), ("other", other)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        query = """
            select database_name, schema_name || '."' || table_name || '"' from duckdb_tables()
            where database_name in ('one', 'other') order by all
        """
        found = connection.execute(query).fetchall()
        tables = [name for database, name in found if database == "one"]
        assert tables and tables == [name for database, name in found if database == "other"]
        return [
            name
            for name in tables
            if connection.execute(
                f"(from one.{name} except all from other.{name}) union all "
                f"(from other.{name} except all from one.{name}) limit 1"
            ).fetchall()
        ]


@pytest.mark.long
def test_a_whole_run_is_not_repeated_until_something_is_new(tmp_path: Path) -> None:
    project = tmp_path / "project"
    copy_project(project)
    write_good_folder(project / "bank")
    run(project, "pipeline.build")
    of_dbt = project / "target" / "run_results.json"
    built = of_dbt.stat()
    published = project / "published" / "warehouse.duckdb"
    first = shutil.copytree(project / "published", tmp_path / "first")
    customers = project / "bank" / "customers.csv"
    customers.touch()
    assert run(project, "pipeline.build").startswith("Nothing has changed since build ")
    assert of_dbt.stat() == built
    # What it spared: a build on top, which reads what the first one published, gives the same.
    for step in STEPS:
        run(project, f"pipeline.{step}")
    assert of_dbt.stat() != built
    for name in (publish.WAREHOUSE, publish.CUSTOMERS):
        assert differing_tables(first / name, published.with_name(name)) == []
    header, *lines = customers.read_text(encoding="utf-8").splitlines()
    customers.write_text("\n".join([header, *lines[1:], ""]), encoding="utf-8")
    assert "Nothing has changed" not in run(project, "pipeline.build")
    with duckdb.connect(str(published), read_only=True) as connection:
        received = connection.execute(
            "select row_count from health.data_quality "
            "where entity = 'customers' and check_type = 'total' and check_name = 'received'"
        ).fetchall()
    assert received == [(len(lines) - 1,)]
