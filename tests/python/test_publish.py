"""Readers see what passed, whole, or what was there before; never anything else."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.publish import publish
from pipeline.sentences import UserError
from pipeline.settings import Settings
from pipeline.summary import summary_lines
from segmentation import load_fit, score

PROJECT = Path(__file__).resolve().parents[2]
Build = Callable[..., Settings]

TABLES = """
create schema internal; create schema marts; create schema health; create schema customers;
create schema quarantine; create schema staging; create schema evidence; create schema segments;

create table internal.build_state as
select '{build_id}' as build_id, '{source}' as source_name, 'dev' as target_name,
    {is_complete} as is_complete, {is_green} as is_green, {problem}::varchar as problem;
create table internal.received_columns as
from (values ('customers', 'customer_id', 'received'), ('customers', 'region', 'missing'))
    as columns (entity, column_name, column_status);

create table health.build_info as
select date '{as_of}' as as_of_on, 'the latest day with enough events' as as_of_method,
    '{source}' as source_name, '{input_hash}' as input_hash, 'spec' as specification_hash,
    ['fit'] as fit_ids, '0.1.0' as project_version, '1' as contract_version,
    '1.11' as dbt_version, '1.5' as duckdb_version, {version} as version;
create table health.data_quality as
from (values
    ('customers', 'total', 'received', 1100), ('customers', 'total', 'accepted', 1000),
    ('customers', 'total', 'blanked', 7), ('customers', 'total', 'broken', 90),
    ('customers', 'total', 'superseded', 10), ('customers', 'rule', 'joined_on', 90),
    ('customers', 'missing_column', 'education', null),
    ('campaigns', 'ignored_column', 'agency', null),
    ('campaigns', 'ignored_column', 'notes', null)
) as checks (entity, check_type, check_name, row_count);

create table marts.segments as
select 'behaviour' as segmentation, segment_id, 'Segment ' || segment_id as segment_name,
    250 as entity_count, 0.25 as segment_share, 'fit' as fit_id, {version} as version
from range(1, 5) as segments (segment_id);
comment on table marts.segments is 'One row per segment; it''s "whole".';
comment on column marts.segments.segment_id is 'The segment''s number.';
create table marts.numbers as
select number, {version} as version, number * 1.1::double as value
from range({rows}) as numbers (number) order by hash(number);
create view marts.numbers_doubled as
select number * 2 as number, version from "warehouse"."marts"."numbers";

create table segments.current_fits as
select 'behaviour' as segmentation, 'fit' as fit_id, date '2026-03-31' as as_of_on, segment_id,
    'income' as feature, 1 as feature_position, 'log1p' as transform, 8::double as fill_value,
    7::double as shift, 0.5::double as scale, segment_id + {version}::double as centre
from range(1, 5) as segments (segment_id);
create table segments.segment_names as
select segmentation, fit_id, segment_id, 'Segment ' || segment_id as segment_name
from segments.current_fits;
create table segments.scored_features as
select 'behaviour' as segmentation, 'customer' as grain, 'customer_id' as grain_key,
    'income' as feature, 1 as feature_position, 'median' as missing_rule,
    null::varchar as value_numbers, true as is_changeable, false as is_whole,
    0::double as lowest_value, null::double as highest_value;

create table evidence.segmentation_noise_check as
select 'fit' as fit_id, false as no_structure_found, 'Clear in {version}.' as reason;
create table evidence.claim_verdicts as
select 'one' as claim_id, 'behaviour' as segmentation, 'ctr' as metric, 'numbers' as mart,
    'Version {version} holds.' as sentence, 'supported' as verdict,
    'Holds' as verdict_label, 'yes' as use_it, 'It is so.' as reason, 'Literally.' as read_as,
    'share' as unit, 0.2::double as figure_found, 0.2::double as estimate,
    0.1::double as estimate_low, 0.3::double as estimate_high, 250::bigint as customer_count,
    null::boolean as figure_reproduces;
create table evidence.recommendations_v2 as
select 'do' as strategy_id, 'behaviour' as segmentation, 'Do {version}.' as strategy,
    'backed' as status, 'It holds.' as reason,
    'one' as claim_ids, 'ctr' as kpi_metric, null::varchar as kpi_cell, 'numbers' as kpi_mart,
    null::varchar as segment_name, null::double as baseline, null::bigint as customers_per_arm;

create table customers.segment_members as
select 'customer ' || number as entity_id, number % 4 + 1 as segment_id, {version} as version
from range({rows}) as numbers (number);
create table quarantine.rejected_rows as select '{{"name": "a person"}}' as raw_row;
create table health.rejected_rows as select '{{"name": "a person"}}' as raw_row;
create table staging.stg_customers as select 'customer 1' as customer_id;
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dbt_project.yml").write_text("vars: {published_versions_kept: 3}\n")
    return tmp_path


@pytest.fixture
def build(root: Path) -> Build:
    """Makes a build file by hand, with the gate's verdict, and gives its settings."""

    def make(
        version: int = 1, gate: dict[str, Any] | None = None, force: str = "", **changes: Any
    ) -> Settings:
        settings = Settings.from_environment({"SEGMART_FORCE": force}, root)
        values = {
            "build_id": f"build-{version}",
            "source": "demo",
            "as_of": "2026-03-31",
            "input_hash": f"{version:08x}ffff",
            "is_complete": True,
            "is_green": True,
            "problem": "null",
            "rows": 2000,
            "version": version,
            **changes,
        }
        settings.build_folder.mkdir(parents=True, exist_ok=True)
        settings.build_file.unlink(missing_ok=True)
        with duckdb.connect(str(settings.build_file)) as connection:
            connection.execute(TABLES.format(**values))
        verdict = {"build_id": values["build_id"], "success": True} if gate is None else gate
        settings.gate_file.write_text(json.dumps(verdict))
        return settings

    return make


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def tables(path: Path) -> list[str]:
    query = "select schema_name || '.' || table_name from duckdb_tables() order by 1"
    return [row[0] for row in rows(path, query)]


def parquet_folders(published: Path) -> list[str]:
    return sorted(
        folder.name
        for folder in (published / "parquet").iterdir()
        if folder.is_dir() and not folder.is_symlink()
    )


def versions(published: Path) -> tuple[int, int, int]:
    """The one version in the warehouse, the customers' file and the latest Parquet folder.

    Fails where one of them holds several versions, or not all its rows.
    """
    queries = {
        "warehouse.duckdb": (
            "select distinct version from marts.segments union select version from marts.numbers "
            "union select version from marts.numbers_doubled "
            "union select version from health.build_info"
        ),
        "customers.duckdb": (
            "select distinct version from customers.segment_members "
            "union select version from health.build_info union select version from marts.segments"
        ),
    }
    found = [rows(published / name, query) for name, query in queries.items()]
    found.append(
        duckdb.sql(
            f"select distinct version from '{published}/parquet/latest/marts/numbers.parquet' "
            f"union select version from '{published}/parquet/latest/health/build_info.parquet'"
        ).fetchall()
    )
    assert [len(one) for one in found] == [1, 1, 1]
    counts = rows(
        published / "warehouse.duckdb",
        "select (select count(*) from marts.numbers), (select count(*) from marts.numbers_doubled)",
    )
    assert len(set(counts[0])) == 1
    return found[0][0][0], found[1][0][0], found[2][0][0]


def page_version(published: Path) -> int:
    """The one version on the published page; fails where it is not whole."""
    text = (published / "how_to_read_a_verdict.md").read_text(encoding="utf-8")
    said = [re.search(rf"{words} (\d+)", text) for words in ("> Version", "> Do", "Clear in")]
    (version,) = {one and one[1] for one in said}
    assert version
    assert text.endswith("came out as *Test first*.\n")
    return int(version)


def everything(folder: Path) -> dict[str, bytes]:
    """Every published file's bytes; hidden files (the lock, work in progress) are not published."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:])
    }


# --- what is published ---


def test_aggregates_alone_enter_the_warehouse(build: Build) -> None:
    settings = build()
    publish(settings)
    assert tables(settings.published_folder / "warehouse.duckdb") == [
        "evidence.claim_verdicts",
        "evidence.recommendations_v2",
        "evidence.segmentation_noise_check",
        "health.build_info",
        "health.data_quality",
        "marts.numbers",
        "marts.numbers_doubled",
        "marts.segments",
    ]
    latest = settings.published_folder / "parquet" / "latest"
    assert sorted(str(path.relative_to(latest)) for path in latest.rglob("*.parquet")) == [
        "evidence/claim_verdicts.parquet",
        "evidence/recommendations_v2.parquet",
        "evidence/segmentation_noise_check.parquet",
        "health/build_info.parquet",
        "health/data_quality.parquet",
        "marts/numbers.parquet",
        "marts/numbers_doubled.parquet",
        "marts/segments.parquet",
    ]


def test_customers_have_a_file_of_their_own_for_one_reader(build: Build) -> None:
    settings = build()
    publish(settings)
    path = settings.published_folder / "customers.duckdb"
    assert tables(path) == ["health.build_info", "main.segment_members", "marts.segments"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    warehouse = settings.published_folder / "warehouse.duckdb"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(warehouse.stat().st_mode) == 0o666 & ~umask


def test_the_copy_has_the_build_s_rows_types_and_comments(build: Build) -> None:
    settings = build()
    publish(settings)
    warehouse = settings.published_folder / "warehouse.duckdb"
    for query in (
        "select * from marts.numbers order by all",
        "select * from marts.numbers_doubled order by all",
        "select * from health.build_info",
        "select table_name, column_name, data_type from duckdb_columns() "
        "where schema_name = 'marts' order by all",
        "select comment from duckdb_tables() where comment is not null",
        "select column_name, comment from duckdb_columns() where comment is not null",
    ):
        assert rows(warehouse, query) == rows(settings.build_file, query)
    assert rows(warehouse, "select comment from duckdb_tables() where comment is not null") == [
        ('One row per segment; it\'s "whole".',)
    ]


def test_the_fits_in_use_are_published_and_no_others(build: Build) -> None:
    settings = build()
    fits = settings.published_folder / "fits"
    fits.mkdir(parents=True)
    (fits / "gone.json").write_text("{}")
    publish(settings)
    assert [path.name for path in fits.iterdir()] == ["behaviour.json"]
    assert score({"income": 2500}, load_fit(fits / "behaviour.json"))["segment_id"] == 1
    publish(build(version=2))
    fit = load_fit(fits / "behaviour.json")
    assert [segment.centre for segment in fit.segments] == [[3.0], [4.0], [5.0], [6.0]]
    assert (fit.fit_id, fit.as_of_on, fit.grain_key) == ("fit", "2026-03-31", "customer_id")


def test_nothing_is_left_beside_what_is_published(build: Build) -> None:
    settings = build()
    publish(settings)
    assert sorted(os.listdir(settings.published_folder)) == [
        ".lock",
        "customers.duckdb",
        "fits",
        "how_to_read_a_verdict.md",
        "parquet",
        "warehouse.duckdb",
    ]
    assert (settings.build_folder / "published_columns.csv").read_text() == (
        "entity,column_name\ncustomers,customer_id\n"
    )


def test_the_same_build_gives_the_same_parquet_bytes(build: Build) -> None:
    settings = build(rows=300_000)
    publish(settings)
    latest = settings.published_folder / "parquet" / "latest"
    first = everything(latest.resolve())
    publish(settings)
    assert everything(latest.resolve()) == first
    assert len(first) == 8


def test_a_wal_left_by_a_careless_reader_does_not_enter_the_new_file(build: Build) -> None:
    settings = build(1)
    publish(settings)
    script = (
        "import duckdb, os\n"
        "connection = duckdb.connect('published/warehouse.duckdb')\n"
        "connection.execute('create table marts.mine as select 1 as a')\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (settings.published_folder / "warehouse.duckdb.wal").exists()
    publish(build(2))
    assert versions(settings.published_folder) == (2, 2, 2)
    assert "marts.mine" not in tables(settings.published_folder / "warehouse.duckdb")


# --- refusals ---


def refused(settings: Settings) -> str:
    """The sentence of a refused publish, which must not have changed what is published."""
    before = everything(settings.published_folder) if settings.published_folder.exists() else {}
    with pytest.raises(UserError) as error:
        publish(settings)
    after = everything(settings.published_folder) if settings.published_folder.exists() else {}
    assert after == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_build_file_is_refused(root: Path) -> None:
    settings = Settings.from_environment({}, root)
    assert refused(settings).startswith("There is no build file build/dev/demo/warehouse.duckdb;")
    assert not settings.published_folder.exists()


def test_a_build_file_that_is_something_else_is_refused(build: Build) -> None:
    settings = build()
    settings.build_file.write_text("not a database, " * 1000)
    assert "cannot be read" in refused(settings)


def test_a_build_file_without_a_build_is_refused(build: Build) -> None:
    settings = build()
    with duckdb.connect(str(settings.build_file)) as connection:
        connection.execute("drop table internal.build_state")
    assert "holds no whole build" in refused(settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"is_complete": False}, "the last build did not run to its end"),
        ({"is_green": False}, "the last build failed"),
        ({"problem": "'Only a part was built (--select).'"}, "Only a part was built (--select)."),
        ({"gate": {"build_id": "build-0", "success": True}}, "the gate has judged another build"),
        ({"gate": {"build_id": "build-2", "success": False}}, "did not pass the gate"),
        ({"gate": {"build_id": "build-2"}}, "did not pass the gate"),
        ({"as_of": "2026-03-30"}, "is as of 2026-03-31, newer than this build's 2026-03-30"),
    ],
)
def test_a_build_that_may_not_be_published_changes_nothing(
    build: Build, changes: dict[str, Any], said: str
) -> None:
    publish(build(1))
    settings = build(2, **changes)
    assert said in refused(settings)
    assert versions(settings.published_folder) == (1, 1, 1)


def test_a_build_that_the_gate_never_saw_is_refused(build: Build) -> None:
    settings = build()
    settings.gate_file.unlink()
    assert "has not been through the gate" in refused(settings)
    settings.gate_file.write_text('{"build_id": ')
    assert "cannot be read; run `make gate` again" in refused(settings)


def test_rows_of_single_customers_among_the_aggregates_are_refused(build: Build) -> None:
    settings = build()
    with duckdb.connect(str(settings.build_file)) as connection:
        connection.execute("create view marts.leak as select 1 as Customer_ID")
    assert "marts.leak has the column Customer_ID" in refused(settings)


def test_a_build_file_being_written_is_refused(build: Build) -> None:
    settings = build()
    script = (
        "import duckdb, sys\n"
        "connection = duckdb.connect('build/dev/demo/warehouse.duckdb')\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        assert f"being written to by another program (PID {writer.pid})" in refused(settings)
    finally:
        writer.communicate("")


def test_an_older_as_of_date_is_published_when_it_is_forced_by_name(build: Build) -> None:
    publish(build(1))
    assert "SEGMART_FORCE=older" in refused(build(2, as_of="2026-02-28", force="source"))
    settings = build(2, as_of="2026-02-28", force="older")
    publish(settings)
    assert versions(settings.published_folder) == (2, 2, 2)


def test_a_source_replaces_the_demo_but_no_other_source(build: Build) -> None:
    publish(build(1))
    publish(build(2, source="bank_a", as_of="2025-01-31"))
    said = refused(build(3, source="bank_b", force="older"))
    assert "holds bank_a, and this build is of bank_b" in said
    assert "holds bank_a" in refused(build(3, source="demo"))
    settings = build(3, source="bank_b", as_of="2024-01-31", force="source")
    publish(settings)
    assert versions(settings.published_folder) == (3, 3, 3)


def test_two_publishes_at_once_are_refused(build: Build) -> None:
    settings = build()
    publish(settings)
    script = (
        "import fcntl, sys\n"
        "stream = open('published/.lock', 'a')\n"
        "fcntl.flock(stream, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    try:
        assert "Another publish to published is under way" in refused(settings)
    finally:
        other.communicate("")
    publish(settings)


def test_the_page_is_of_the_build_it_is_published_with(build: Build) -> None:
    publish(build(1))
    settings = build(2)
    publish(settings)
    assert page_version(settings.published_folder) == 2
    build(3, is_green=False)
    assert "the last build failed" in refused(settings)
    assert page_version(settings.published_folder) == 2


def test_a_reader_who_opened_the_published_file_for_writing_stops_nobody(build: Build) -> None:
    publish(build(1))
    script = (
        "import duckdb, sys\n"
        "connection = duckdb.connect('published/warehouse.duckdb')\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    try:
        settings = build(2, as_of="2026-03-30")
        with pytest.raises(UserError, match="newer than this build"):
            publish(settings)
        publish(build(2))
        assert versions(settings.published_folder) == (2, 2, 2)
    finally:
        reader.communicate("")
    assert versions(settings.published_folder) == (2, 2, 2)


def test_a_folder_that_is_a_file_is_a_sentence(build: Build, root: Path) -> None:
    settings = build()
    (root / "published").write_text("in the way")
    with pytest.raises(UserError, match=r"^published cannot be written: "):
        publish(settings)


def test_a_latest_that_is_no_link_is_a_sentence(build: Build) -> None:
    settings = build()
    (settings.published_folder / "parquet" / "latest").mkdir(parents=True)
    assert "is not the link that publishing keeps there" in refused(settings)


@pytest.mark.parametrize("most_bytes", [100_000, 700_000, 1_500_000])
def test_a_full_disk_is_a_sentence_and_changes_nothing(build: Build, most_bytes: int) -> None:
    """A limit on the size of files stands for the full disk: writing fails half-way alike."""
    publish(build(1))
    settings = build(2, rows=300_000)
    before = everything(settings.published_folder)
    script = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))\n"
        "from pipeline import publish, sentences\n"
        "sentences.run(publish.main, 'make publish')\n"
    )
    done = command("-c", script)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(("Nothing was published: ", "published cannot be written: "))
    assert everything(settings.published_folder) == before
    publish(settings)
    assert versions(settings.published_folder) == (2, 2, 2)


# --- Parquet versions ---


def test_latest_is_a_relative_link_to_the_folder_of_this_as_of_and_input(build: Build) -> None:
    settings = build(10)
    publish(settings)
    latest = settings.published_folder / "parquet" / "latest"
    assert os.readlink(latest) == "2026-03-31_0000000a"
    publish(settings)
    assert os.readlink(latest) == "2026-03-31_0000000a_2"
    publish(settings)
    assert os.readlink(latest) == "2026-03-31_0000000a_3"
    assert parquet_folders(settings.published_folder) == [
        "2026-03-31_0000000a_2",
        "2026-03-31_0000000a_3",
    ]


def test_the_newest_versions_are_kept_by_their_as_of_date(build: Build) -> None:
    for month in range(1, 6):
        settings = build(month, as_of=f"2026-0{month}-28")
        publish(settings)
    assert parquet_folders(settings.published_folder) == [
        "2026-03-28_00000003",
        "2026-04-28_00000004",
        "2026-05-28_00000005",
    ]


def test_a_forced_older_version_stays_because_it_is_the_latest(build: Build) -> None:
    for month in range(2, 5):
        publish(build(month, as_of=f"2026-0{month}-28"))
    settings = build(1, as_of="2026-01-28", force="older")
    publish(settings)
    assert os.readlink(settings.published_folder / "parquet/latest") == "2026-01-28_00000001"
    assert parquet_folders(settings.published_folder) == [
        "2026-01-28_00000001",
        "2026-03-28_00000003",
        "2026-04-28_00000004",
    ]


def test_folders_of_others_are_left_alone(build: Build) -> None:
    settings = build()
    mine = settings.published_folder / "parquet" / "my notes"
    mine.mkdir(parents=True)
    publish(settings)
    assert mine.is_dir()


# --- readers and killed publishes ---

READER = """
import duckdb, sys, time
seen, reads = set(), 0
while not open("stop").read():
    for name, tables in (
        ("warehouse", ("marts.segments", "marts.numbers", "health.build_info")),
        ("customers", ("customers.segment_members", "health.build_info", "marts.segments")),
    ):
        with duckdb.connect(f"published/{name}.duckdb", read_only=True) as connection:
            found = set()
            for table in tables:
                found |= set(connection.sql(f"select distinct version from {table}").fetchall())
            assert len(found) == 1, found
            if name == "warehouse":
                assert connection.sql("select count(*) from marts.numbers").fetchall() == [(2000,)]
                seen |= found
    table = "published/parquet/latest/marts/numbers.parquet"
    found = duckdb.sql(f"select count(*), count(distinct version) from '{table}'").fetchall()
    assert found == [(2000, 1)], found
    reads += 1
print(reads, len(seen))
"""


def test_a_reader_in_a_loop_sees_only_whole_versions_and_no_error(build: Build, root: Path) -> None:
    publish(build(1))
    (root / "stop").write_text("")
    reader = subprocess.Popen(
        [sys.executable, "-c", READER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for version in range(2, 7):
        publish(build(version))
        time.sleep(0.2)
    (root / "stop").write_text("stop")
    out, errors = reader.communicate(timeout=30)
    assert reader.returncode == 0, errors
    reads, seen = map(int, out.split())
    assert reads >= 5
    assert seen >= 2


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=command_environment(),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def command_environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    for name in ("RAW_DATA", "AS_OF", "SEGMART_TARGET", "SEGMART_FORCE", "PUBLISHED"):
        environment.pop(name, None)
    return environment


# Dies at the n-th of the calls that change what is on the disk.
DIES_AT_CALL = """
import os, signal, sys
from pipeline import publish, sentences
left = int(sys.argv[1])
def dying(call):
    def wrapped(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return wrapped
for name in ("replace", "rename", "symlink", "umask"):
    setattr(os, name, dying(getattr(os, name)))
sentences.run(publish.main, "make publish")
"""


def assert_old_or_new(published: Path, old: int, new: int) -> None:
    found = versions(published)
    assert set(found) <= {old, new}
    # Customers first, then the warehouse, page, fits and link: a later one is never ahead.
    warehouse, customers, parquet = found
    fit = load_fit(published / "fits" / "behaviour.json")
    order = [customers, warehouse, page_version(published), int(fit.segments[0].centre[0]) - 1]
    order.append(parquet)
    assert order == sorted(order, reverse=new > old)


def test_killed_before_any_change_of_the_disk_leaves_old_or_new(build: Build) -> None:
    settings = build(1)
    publish(settings)
    shutil.copytree(settings.published_folder, "pristine", symlinks=True)
    build(2)
    outcomes = set()
    for call in range(1, 40):
        shutil.rmtree(settings.published_folder)
        shutil.copytree("pristine", settings.published_folder, symlinks=True)
        done = command("-c", DIES_AT_CALL, str(call))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert_old_or_new(settings.published_folder, 1, 2)
        outcomes.add(versions(settings.published_folder))
    else:
        pytest.fail("the publish never came to its end")
    assert call >= 8
    assert outcomes == {(1, 1, 1), (1, 2, 1), (2, 2, 1), (2, 2, 2)}
    assert versions(settings.published_folder) == (2, 2, 2)


def test_killed_at_random_moments_leaves_old_or_new_and_the_next_one_cleans_up(
    build: Build,
) -> None:
    settings = build(1)
    publish(settings)
    timing = random.Random(20260331)
    build(2)
    started = time.monotonic()
    assert command("-m", "pipeline.publish").returncode == 0
    whole = time.monotonic() - started
    published, killed = 2, 0
    for version in range(3, 18):
        build(version, rows=20_000)
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.publish"],
            env=command_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(timing.uniform(0.2, 1.0) * whole)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        assert_old_or_new(settings.published_folder, published, version)
        # The next publish is of the same build, as a scheduler's second try would be.
        publish(settings)
        published = version
        assert versions(settings.published_folder) == (version, version, version)
        assert not list(settings.published_folder.rglob(".new-*"))
        assert len(parquet_folders(settings.published_folder)) <= 3
    assert killed >= 5


def test_what_a_killed_publish_left_is_removed(build: Build) -> None:
    settings = build()
    published = settings.published_folder
    (published / ".new-1" / "parquet").mkdir(parents=True)
    (published / ".new-1" / "customers.duckdb").write_text("half")
    (published / "parquet").mkdir()
    (published / "parquet" / ".new-latest-1").symlink_to("nowhere")
    publish(settings)
    assert not list(published.rglob(".new-*"))


# --- the summary ---


def test_the_command_prints_a_summary_that_fits_the_screen(build: Build) -> None:
    build()
    done = command("-m", "pipeline.publish")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert "As of 2026-03-31 (the latest day with enough events), from demo." in lines
    words = [line.split() for line in lines]
    assert ["rows", "received", "accepted", "blanked", "broken", "superseded"] in words
    assert ["customers", "1,100", "1,000", "7", "90", "10"] in words
    assert "customers: columns not handed in: education" in lines
    assert "campaigns: columns ignored: agency, notes" in lines
    assert ["1", "Segment", "1", "250", "25.0", "%"] in words
    assert any("published/warehouse.duckdb" in line for line in lines)
    assert any(line.strip().startswith("make test") for line in lines)


def test_the_line_that_the_summary_offers_works(build: Build, root: Path) -> None:
    settings = build()
    publish(settings)
    with duckdb.connect(str(settings.published_folder / "warehouse.duckdb")) as connection:
        lines = summary_lines(connection, settings)
    (first,) = [number for number, line in enumerate(lines) if ".venv/bin/python" in line]
    offered = "\n".join(lines[first : first + 2])
    done = subprocess.run(
        offered.strip().replace(".venv/bin/python", sys.executable),
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    assert "Segment 4" in done.stdout
