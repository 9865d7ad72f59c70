"""Nothing calls out, and nothing published names a customer but the customers' own file."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import yaml
from conftest import OWN_VARIABLES, copy_project
from published_files import PROJECT, PUBLISHED, published_demo
from raw_folders import good_tables, write_good_folder

from pipeline.publish import CUSTOMERS, NEVER_PUBLISHED

# The raw columns that name a person, or one thing a person did or has.
NAMING = {
    "customers": ["customer_id"],
    "card_accounts": ["cust_id"],
    "product_holdings": ["holding_id"],
    "campaign_engagements": ["engagement_id"],
    "transactions": ["transaction_id"],
}
HANDLER = re.compile(r"class (\w+)\(TelemetryHandler\)")
WORDS = re.compile(r"[A-Za-z0-9_]+")

# Python tells this of every address before it turns to it, whoever asks.
WATCH = """
import sys

def watch(event, arguments):
    if event == "socket.getaddrinfo":
        address = arguments[:2]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
    else:
        return
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        with open({log!r}, "a") as stream:
            stream.write(f"{{sys.argv[:3]}} {{event}} {{address}}\\n")

sys.addaudithook(watch)
"""


# --- nothing calls out ---


class Island:
    """A copy of the project, and a way to run its commands where no network is."""

    def __init__(self, folder: Path, away: list[str]) -> None:
        self.folder = folder / "project"
        self.log = folder / "asked.log"
        self.away = away
        copy_project(self.folder)
        (folder / "watch").mkdir()
        text = WATCH.format(log=str(self.log))
        (folder / "watch" / "sitecustomize.py").write_text(text, encoding="utf-8")
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in (*OWN_VARIABLES, "DO_NOT_TRACK")
            and not name.startswith(("SEGMART_", "DBT_", "GX_", "PUBLISHED"))
        }
        # A home of its own, so that no setting of this machine's switches anything off.
        home = folder / "home"
        home.mkdir()
        watched = {"PYTHONPATH": str(folder / "watch"), "HOME": str(home)}
        self.environment = {**kept, **watched, "PWD": str(self.folder)}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.away, sys.executable, *command],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def asked(self) -> str:
        """Every address that anything turned to."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Island:
    away = ["unshare", "--map-root-user", "--net", "--"]
    if not shutil.which("unshare"):
        pytest.skip("unshare is not there; it is of util-linux.")
    tried = subprocess.run([*away, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network namespace can be made here: {tried.stderr.strip()}")
    folder = tmp_path_factory.mktemp("island")
    made = Island(folder, away)
    write_good_folder(folder / "bank", good_tables())
    return made


def test_where_no_network_is_a_call_fails_and_is_seen(island: Island) -> None:
    """The test of the test: what calls out here fails, and is found in the log."""
    call = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=3)"
    assert "Network is unreachable" in island.run("-c", call).stderr
    call = "import urllib.request; urllib.request.urlopen('http://nowhere.invalid/', timeout=3)"
    assert island.run("-c", call).returncode != 0
    assert "192.0.2.1" in island.asked() and "nowhere.invalid" in island.asked()
    island.log.unlink()


@pytest.mark.full
def test_build_publish_render_and_query_without_a_network(island: Island) -> None:
    """Every command a night or a reader runs, with nothing in the environment to quieten it."""
    bank = {"RAW_DATA": str(island.folder.parent / "bank")}
    commands = [
        ["-m", "pipeline.load"],
        ["-m", "pipeline.gate"],
        ["-m", "pipeline.publish"],
        ["-m", "pipeline.superset_assets"],
        ["examples/first_look.py", "3"],
        [str(Path(sys.executable).with_name("dbt")), "docs", "generate", "--static", "--quiet"],
    ]
    # Boards, report and metrics, where the project has them.
    for module, settings in {"report": {}, "metrics": {"M": "ctr"}}.items():
        if (island.folder / "pipeline" / f"{module}.py").exists():
            commands.append(["-m", f"pipeline.{module}"])
            bank.update(settings)
    for command in commands:
        done = island.run(*command, **bank)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert (island.folder / "published" / "warehouse.duckdb").exists()
    assert island.asked() == ""
    # dbt's tracking would leave the id it tracks by.
    assert list(island.folder.rglob(".user.yml")) == []
    assert not (island.folder.parent / "home" / ".dbt" / ".user.yml").exists()


def test_no_program_reports_on_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """dbt, dbt Charts, MetricFlow and Great Expectations, by what the project itself says."""
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["flags"]["send_anonymous_usage_stats"] is False
    assert "export DO_NOT_TRACK := 1" in (PROJECT / "Makefile").read_text(encoding="utf-8")

    from dbt_charts.telemetry.consent import send_anonymous_usage_stats

    assert not send_anonymous_usage_stats(False, {}, PROJECT)
    assert not send_anonymous_usage_stats(False, {"DO_NOT_TRACK": "1"}, PROJECT / "dashboard")
    assert send_anonymous_usage_stats(False, {}, PROJECT / "examples")

    # MetricFlow's telemetry has handlers for Python's log and for tests, and none that sends.
    from metricflow.telemetry import handlers

    sources = [path.read_text(encoding="utf-8") for path in Path(handlers.__path__[0]).glob("*.py")]
    handled = {name for text in sources for name in HANDLER.findall(text)}
    assert handled == {"PythonLoggerTelemetryHandler", "ToMemoryTelemetryHandler"}
    for text in sources:
        assert not re.search(r"^\s*(?:import|from) (?:socket|http|urllib|requests)", text, re.M)

    gate = (PROJECT / "pipeline" / "gate.py").read_text(encoding="utf-8")
    assert 'os.environ["GX_ANALYTICS_ENABLED"] = "false"' in gate
    assert "analytics_enabled=False" in gate


# --- nothing published names a customer ---


@pytest.fixture(scope="module")
def published() -> Path:
    published_demo()
    return PUBLISHED


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Whatever names a customer, an account or a row of one, in the demo's raw files."""
    found: set[str] = set()
    for entity, columns in NAMING.items():
        raw = pd.read_csv(PROJECT / "seeds" / f"raw_{entity}.csv", dtype=str, usecols=columns)
        found.update(*(raw[column].dropna().str.strip() for column in columns))
    assert {"C00001", "A00001", "T000001", "H000001", "E000001"} <= found
    return found


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Where and what, of all text in a file: cells of a DuckDB or Parquet file, or the file."""
    with duckdb.connect(":memory:") as connection:
        if path.suffix == ".duckdb":
            connection.execute(f"attach '{path}' as file (read_only)")
            tables = connection.execute(
                "select schema_name || '.' || table_name, list(column_name) from duckdb_columns() "
                "where database_name = 'file' and data_type not in "
                "('BIGINT', 'DOUBLE', 'BOOLEAN', 'DATE') and data_type not like 'DECIMAL%' "
                "group by all order by all"
            ).fetchall()
            relations = [(f"file.{table}", columns) for table, columns in tables]
        elif path.suffix == ".parquet":
            described = connection.execute(f"describe from '{path}'").fetchall()
            relations = [(f"'{path}'", [name for name, kind, *_ in described if kind == "VARCHAR"])]
        else:
            yield path.name, path.read_text(encoding="utf-8", errors="replace")
            return
        for relation, columns in relations:
            for column in columns:
                cells = connection.execute(
                    f'select distinct "{column}"::varchar from {relation} '
                    f'where "{column}" is not null'
                ).fetchall()
                yield f"{path.name}: {relation}.{column}", "\n".join(cell for (cell,) in cells)


def named(paths: Iterable[Path], names: set[str]) -> list[tuple[str, str]]:
    """Where a name stands in these files, and one of the names there."""
    found = []
    for path in paths:
        for where, text in texts(path):
            if there := names.intersection(WORDS.findall(text)):
                found.append((where, min(there)))
    return found


def files(folder: Path) -> list[Path]:
    """Every published file once, and none through a link."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_no_published_file_names_a_customer(published: Path, names: set[str]) -> None:
    scanned = [path for path in files(published) if path.name != CUSTOMERS]
    kinds = {path.suffix for path in scanned}
    assert {".duckdb", ".parquet", ".md", ".json"} <= kinds and len(scanned) > 50
    assert named(scanned, names) == []


def test_no_plain_byte_of_a_published_file_is_a_customer_id(published: Path) -> None:
    """Whatever no reader shows: rows deleted, statistics, names of columns."""
    for path in files(published):
        if path.name != CUSTOMERS:
            assert re.findall(rb"\b[CA]0\d{4}\b", path.read_bytes()) == [], path


def test_the_scan_finds_them_where_they_belong(published: Path, names: set[str]) -> None:
    where = {place for place, _ in named([published / CUSTOMERS], names)}
    assert any("segment_members.entity_id" in place for place in where)
    assert any("customer_value.customer_id" in place for place in where)


@pytest.mark.parametrize("kind", ["page.md", "report.html", "fits.json", "a.parquet", "b.duckdb"])
def test_the_scan_finds_one_that_slipped_in(kind: str, names: set[str], tmp_path: Path) -> None:
    path, slipped = tmp_path / kind, "the best was C00017."
    if path.suffix == ".parquet":
        duckdb.sql(f"select '{slipped}' as words").write_parquet(str(path))
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create table t as select 1 as n, ['{slipped}'] as words")
    else:
        path.write_text(json.dumps({"words": slipped}), encoding="utf-8")
    assert [name for _, name in named([path], names)] == ["C00017"]


def test_the_customers_file_is_for_its_owner_alone(published: Path) -> None:
    assert stat.S_IMODE((published / CUSTOMERS).stat().st_mode) == 0o600


def test_the_warehouse_holds_aggregates_alone(published: Path) -> None:
    with duckdb.connect(str(published / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall()
        columns = connection.execute(
            "select column_name from duckdb_columns() where not internal"
        ).fetchall()
    assert {schema for schema, _ in tables} == {"marts", "health", "evidence"}
    assert {table for _, table in tables}.isdisjoint(
        {"segment_members", "customer_segments", "customer_value", "marketing_contacts"}
    )
    keys = {column for columns in NAMING.values() for column in columns} | {"entity_id"}
    assert keys.isdisjoint(column for (column,) in columns)


def test_rejected_rows_are_published_nowhere(published: Path) -> None:
    assert NEVER_PUBLISHED == ("rejected_rows",)
    for path in files(published):
        assert "rejected" not in path.name
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as connection:
                held = connection.execute(
                    "select table_name, column_name from duckdb_columns() where not internal "
                    "and (table_name = 'rejected_rows' or column_name = 'raw_row')"
                ).fetchall()
            assert held == []
