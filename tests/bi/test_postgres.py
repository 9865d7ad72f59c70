"""A real PostgreSQL server gets the published file whole, and no reader notices when."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from published_files import PROJECT, WAREHOUSE, published_demo
from test_published_columns import POSTGRESQL_RESERVED

from pipeline.publish_postgres import OLD, publish_postgres
from pipeline.sentences import UserError
from pipeline.settings import Settings

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
PASSWORD = secrets.token_hex(16)
PUBLISHES = 10
ROWS = 20_000


def as_server(arguments: list[str | Path]) -> list[str | Path]:
    """The server refuses to run as root; Debian's package has a user for it."""
    return ["runuser", "-u", "postgres", "--", *arguments] if os.geteuid() == 0 else arguments


class Server:
    """A server that only this test can reach, through a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def environment(self, user: str = "publisher", password: str = PASSWORD) -> dict[str, str]:
        return {
            "PGHOST": str(self.folder),
            "PGDATABASE": "serving",
            "PGUSER": user,
            "PGPASSWORD": password,
        }

    def run(self, sql: str, user: str = "publisher") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input=sql,
            env={"PATH": os.environ["PATH"], **self.environment(user)},
            capture_output=True,
            text=True,
            check=False,
        )

    def lines(self, sql: str, user: str = "publisher") -> list[str]:
        done = self.run(sql, user)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not SERVERS or not shutil.which("psql"):
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql does it.")
    if not list((PROJECT / ".venv-bi" / "postgres").glob("**/*.duckdb_extension")):
        pytest.skip(".venv-bi/postgres is not there; make test-bi installs it.")
    folder = Path(tempfile.mkdtemp(prefix="segmart-postgres-"))
    bin_folder, data = SERVERS[-1].parent, folder / "data"
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    start = f"-k {folder} -c listen_addresses= -c fsync=off"
    asks = ["-U", "owner", "-A", "scram-sha-256", "--pwfile", folder / "password", "-E", "UTF8"]
    for command in (
        [bin_folder / "initdb", "-D", data, *asks],
        [bin_folder / "pg_ctl", "-D", data, "-l", folder / "log", "-o", start, "-w", "start"],
    ):
        done = subprocess.run(
            as_server(command), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, done.stdout
    running = Server(folder)
    try:
        running_as_owner = {**running.environment("owner"), "PGDATABASE": "postgres"}
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"],
            input=f"""
                create role publisher login createrole password '{PASSWORD}';
                create role analyst login password '{PASSWORD}';
                create role stranger login password '{PASSWORD}';
                create role plain login password '{PASSWORD}';
                create database serving owner publisher;
                create database other owner publisher;
            """,
            env={"PATH": os.environ["PATH"], **running_as_owner},
            text=True,
            check=True,
        )
        yield running
    finally:
        subprocess.run(
            as_server([bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"]),
            cwd=folder,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def as_publisher(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)


def settings_of(root: Path, **environment: str) -> Settings:
    """A project whose published folder is its own, with the PostgreSQL client of this one."""
    (root / "dbt_project.yml").write_text("vars: {}\n")
    (root / "published").mkdir(exist_ok=True)
    if not (root / ".venv-bi").exists():
        (root / ".venv-bi").symlink_to(PROJECT / ".venv-bi")
    return Settings.from_environment(environment, root)


def small_file(settings: Settings, version: int, source: str = "demo") -> None:
    """A published file of two tables, all of whose rows say its version."""
    path = settings.published_folder / "warehouse.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"""
            create schema marts; create schema health; create schema evidence;
            create schema customers;
            create table marts.numbers as
                select number, {version} as version from range({ROWS}) as numbers (number);
            create table marts.segments as
                select number as segment_id, {version} as version from range(4) as n (number);
            create table evidence.claims as select {version} as version;
            create table health.build_info as
                select '{source}' as source_name, date '2026-03-31' as as_of_on;
            create table customers.segment_members as select 'C00001' as customer_id;
        """)


def publish(settings: Settings) -> Any:
    return publish_postgres(settings, os.environ)


def test_every_table_is_there_with_its_rows_types_and_meanings(
    server: Server, tmp_path: Path
) -> None:
    published_demo()
    settings = settings_of(tmp_path)
    shutil.copyfile(WAREHOUSE, settings.published_folder / "warehouse.duckdb")
    copied = publish(settings)
    with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name, data_type, comment "
            "from duckdb_columns() where not internal"
        ).fetchall()
        tables = sorted({f"{schema}.{table}" for schema, table, *_ in columns})
        counts = [
            connection.execute(f"select count(*) from {table}").fetchone() for table in tables
        ]
        (ctr,) = connection.execute(
            "select sum(ctr), sum(ctr_low) from marts.segment_channel_engagement"
        ).fetchall()
    assert copied.table_count == len(tables) > 40
    found = server.lines(" union all ".join(f"select '{t}|' || count(*) from {t}" for t in tables))
    assert set(found) == {f"{t}|{count[0]}" for t, count in zip(tables, counts, strict=True)}
    types = {
        "VARCHAR": "character varying",
        "BIGINT": "bigint",
        "DOUBLE": "double precision",
        "BOOLEAN": "boolean",
        "DATE": "date",
        "DECIMAL(18,2)": "numeric(18,2)",
        "DECIMAL(38,2)": "numeric(38,2)",
    }
    described = server.lines(r"""
        select n.nspname || '.' || c.relname || '.' || a.attname || '|'
            || format_type(a.atttypid, a.atttypmod) || '|'
            || md5(coalesce(col_description(c.oid, a.attnum), ''))
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('marts', 'evidence', 'health') and c.relkind = 'r' and a.attnum > 0
    """)
    with duckdb.connect() as connection:
        wanted = [
            f"{schema}.{table}.{column}|{types[kind]}|"
            + str(connection.execute("select md5(?)", [comment]).fetchall()[0][0])
            for schema, table, column, kind, comment in columns
        ]
    assert sorted(described) == sorted(wanted)
    (sums,) = server.lines("select sum(ctr), sum(ctr_low) from marts.segment_channel_engagement")
    assert [float(one) for one in sums.split("|")] == pytest.approx(ctr, rel=1e-12)


def test_readers_read_what_is_published_and_nothing_else(server: Server, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    small_file(settings, 1)
    publish(settings)
    server.lines("grant segmart_reader to analyst; create schema if not exists private;")
    server.lines("create table if not exists private.customers as select 'C00001' as customer_id")
    assert server.lines("select count(*) from marts.numbers", "analyst") == [str(ROWS)]
    assert server.lines("select version from evidence.claims", "analyst") == ["1"]
    for refused in (
        "select * from private.customers",
        "insert into marts.segments values (9, 9)",
        "update marts.segments set version = 0",
        "drop table marts.segments",
        "create table marts.mine (id int)",
        "create schema mine",
    ):
        assert "permission denied" in server.run(refused, "analyst").stderr or (
            "must be owner" in server.run(refused, "analyst").stderr
        ), refused
    assert "permission denied" in server.run("select * from marts.segments", "stranger").stderr
    schemas = server.lines(
        "select nspname from pg_namespace where nspname !~ '^pg_|information_schema' order by 1"
    )
    assert schemas == ["evidence", "health", "marts", "private", "public"]


def test_no_read_fails_over_ten_publishes(server: Server, tmp_path: Path) -> None:
    """Three readers without a pause, one of them in transactions of several reads."""
    settings = settings_of(tmp_path)
    small_file(settings, 1)
    publish(settings)
    server.lines("grant segmart_reader to analyst")
    one = "select 'n', count(*), min(version), max(version) from marts.numbers;\n"
    both = (
        "select 'j', count(*), min(s.version), max(s.version) from marts.numbers as n "
        "join marts.segments as s on s.segment_id = n.number % 4;\n"
    )
    scripts = [one * 20, both * 20, f"begin;\n{one}{both}commit;\n" * 10]
    answers: list[list[str]] = [[], [], []]
    failures: list[str] = []
    done = threading.Event()

    def read(script: str, into: list[str]) -> None:
        while not done.is_set():
            finished = server.run(script, "analyst")
            into.extend(finished.stdout.splitlines())
            if finished.returncode:
                failures.append(finished.stderr)

    readers = [
        threading.Thread(target=read, args=pair) for pair in zip(scripts, answers, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        for version in range(2, PUBLISHES + 2):
            small_file(settings, version)
            publish(settings)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    versions = set()
    for line in (line for lines in answers for line in lines):
        _, count, least, most = line.split("|")
        assert (count, least) == (str(ROWS), most)
        versions.add(int(most))
    assert min(len(lines) for lines in answers) > 40
    assert len(versions) > PUBLISHES / 2 and versions <= set(range(1, PUBLISHES + 2))
    assert leftovers(server) == []


def leftovers(server: Server) -> list[str]:
    return server.lines(f"select nspname from pg_namespace where nspname like '{OLD[:-1]}%'")


def test_a_reader_in_a_transaction_keeps_its_table_and_keeps_nobody_waiting(
    server: Server, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    small_file(settings, 1)
    publish(settings)
    server.lines("grant segmart_reader to analyst")
    reader = subprocess.Popen(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
        env={"PATH": os.environ["PATH"], **server.environment("analyst")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None and reader.stdout is not None
    reader.stdin.write("begin; select max(version) from marts.segments;\n")
    reader.stdin.flush()
    assert reader.stdout.readline() == "1\n"
    small_file(settings, 2)
    publish(settings)
    assert server.lines("select max(version) from marts.segments", "analyst") == ["2"]
    (left,) = leftovers(server)
    assert "permission denied" in server.run(f"table {left}.segments", "analyst").stderr
    reader.communicate("commit;\n")
    assert reader.returncode == 0
    publish(settings)
    assert leftovers(server) == []


def test_a_publish_that_fails_changes_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    small_file(settings, 1)
    publish(settings)
    small_file(settings, 2)

    def breaks(*_: object) -> None:
        raise RuntimeError("the network went away")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.publish_postgres._say", breaks)
        with pytest.raises(RuntimeError):
            publish(settings)
    assert server.lines("select distinct version from marts.numbers") == ["1"]
    assert server.lines("select count(*) from pg_namespace where nspname like 'segmart%'") == ["0"]
    publish(settings)
    assert server.lines("select distinct version from marts.numbers") == ["2"]


def test_a_schema_of_somebody_else_is_left_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    small_file(settings, 1)
    monkeypatch.setenv("PGDATABASE", "other")
    env = {"PATH": os.environ["PATH"], **server.environment(), "PGDATABASE": "other"}
    subprocess.run(["psql", "-X", "-q", "-c", "create schema marts"], env=env, check=True)
    with pytest.raises(UserError, match="has a schema marts that make publish-postgres did not"):
        publish(settings)


def test_another_source_is_replaced_only_when_said(server: Server, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    small_file(settings, 1, source="bank")
    publish(settings)
    small_file(settings, 2)
    with pytest.raises(UserError, match="serves bank, and the published file holds demo"):
        publish(settings)
    publish(settings_of(tmp_path, SEGMART_FORCE="source"))
    assert server.lines("select distinct version from marts.numbers") == ["2"]


def run_command(root: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [sys.executable, "-m", "pipeline.publish_postgres"],
        cwd=root,
        env={**kept, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_service_file_says_who_and_where_and_the_password_is_seen_nowhere(
    server: Server, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    small_file(settings, 3)
    service = tmp_path / "services"
    entries = "".join(
        f"{name}={value}\n"
        for name, value in zip(
            ("host", "dbname", "user", "password"), server.environment().values(), strict=True
        )
    )
    service.write_text(f"[segmart]\n{entries}")
    service.chmod(0o600)
    where = {"PGSERVICEFILE": str(service), "PGSERVICE": "segmart"}
    done = run_command(tmp_path, where)
    assert done.returncode == 0, done.stderr
    assert "4 tables with" in done.stdout and "segmart_reader" in done.stdout
    refused = run_command(tmp_path, server.environment(password=PASSWORD[::-1]))
    assert refused.returncode == 1
    assert refused.stderr.startswith("PostgreSQL has not taken the copy: password authentication")
    assert refused.stderr.count("\n") == 1
    logged = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "make publish-postgres" in logged
    for secret in (PASSWORD, PASSWORD[::-1]):
        assert secret not in done.stdout + done.stderr + refused.stdout + refused.stderr + logged


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "Nothing says where PostgreSQL is; set PGSERVICE, or PGHOST, PGDATABASE and PGUSER"),
        ({"PGHOST": "/nowhere"}, "PostgreSQL has not taken the copy: "),
        (
            {"PGSERVICE": "nameless"},
            'PostgreSQL has not taken the copy: definition of service "nam',
        ),
        ({"PGHOST": "/tmp", "SEGMART_READER_ROLE": "x; drop"}, "SEGMART_READER_ROLE is x; drop; "),
    ],
)
def test_what_cannot_be_reached_is_a_sentence(
    environment: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    small_file(settings_of(tmp_path), 1)
    refused = run_command(tmp_path, environment)
    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence), refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_user_who_may_not_is_told_what_to_ask_for(server: Server, tmp_path: Path) -> None:
    small_file(settings_of(tmp_path), 1)
    refused = run_command(tmp_path, server.environment("plain"))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("PostgreSQL has not taken the copy: permission denied")


def test_the_reserved_words_are_those_of_a_server(server: Server) -> None:
    reserved = server.lines(
        "select word from pg_get_keywords() where catcode in ('R', 'T') order by 1"
    )
    assert set(reserved) - set(POSTGRESQL_RESERVED.split()) == set()
