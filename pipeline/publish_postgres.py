"""Copy what is published to a PostgreSQL server: `make publish-postgres`.

For readers whose tool knows no DuckDB. The server gets what is in `published/warehouse.duckdb`,
aggregates alone, in schemas of the same names. Where the server is and who writes to it is said as
to every other PostgreSQL client (PGSERVICE, or PGHOST, PGDATABASE, PGUSER and a password file or
PGPASSWORD); nothing of it is passed on a command line, printed or logged.

All schemas are written under other names and renamed in one transaction, so that a reader finds
the old rows or the new ones and a publish that dies leaves nothing. What was replaced is dropped
afterwards, one table at a time: holding one lock only, it cannot come into a deadlock with readers.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline import log, sentences
from pipeline.publish import AGGREGATE_SCHEMAS, WAREHOUSE
from pipeline.sentences import UserError
from pipeline.settings import DEMO_KEY, Settings
from pipeline.sql_text import identifier, literal

COMMAND = "make publish-postgres"
WHERE_IT_IS = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE")
READER_ROLE = "segmart_reader"
MARK = "Segmart, a copy of the published file"
NEW = "segmart_new_"
OLD = "segmart_old_"
# Any number that no other program of the database takes for its own advisory lock.
LOCK = 7_306_845_127
DROP_WAITS = "2s"
SWAP_WAITS = "30s"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,62}")
# PostgreSQL's own words in what DuckDB says of it.
_SAID = re.compile(r"(?:ERROR:|FATAL:|Unable to connect to Postgres at \"\":)\s*(?P<said>.+)")


@dataclass(frozen=True)
class Copied:
    """What a copy consists of, for the log and the reader at the console."""

    source_name: str
    as_of_on: str
    table_count: int
    row_count: int


def main() -> None:
    """Copy this environment's published file to the server that the environment names."""
    started = time.monotonic()
    settings = Settings.from_environment()
    copied = publish_postgres(settings, os.environ)
    log.write(
        COMMAND,
        "published",
        target=settings.target,
        source=copied.source_name,
        as_of_on=copied.as_of_on,
        tables=copied.table_count,
        rows=copied.row_count,
        seconds=round(time.monotonic() - started, 3),
    )
    print(
        f"{copied.table_count} tables with {copied.row_count:,} rows, as of {copied.as_of_on}, are "
        f"in the schemas {', '.join(AGGREGATE_SCHEMAS)}; the role {_reader_role(os.environ)} reads "
        "them."
    )


def publish_postgres(settings: Settings, environment: Mapping[str, str]) -> Copied:
    """Copy and swap; raises UserError, with nothing changed for readers, when it cannot be done."""
    warehouse = settings.published_folder / WAREHOUSE
    if not warehouse.is_file():
        raise UserError(f"There is no {settings.shown(warehouse)}; run `make build` first.")
    if not any(environment.get(name) for name in WHERE_IT_IS):
        raise UserError(
            "Nothing says where PostgreSQL is; set PGSERVICE, or PGHOST, PGDATABASE and PGUSER "
            "(and PGPASSFILE or PGPASSWORD where it asks for a password)."
        )
    role = _reader_role(environment)
    try:
        with _connected(settings, warehouse) as connection:
            _drop_replaced(connection, role)
            copied = _swap(connection, settings, role)
            _drop_replaced(connection, role)
    except duckdb.Error as error:
        raise UserError(f"PostgreSQL has not taken the copy: {_said(error)}") from error
    return copied


def _reader_role(environment: Mapping[str, str]) -> str:
    role = environment.get("SEGMART_READER_ROLE", "").strip() or READER_ROLE
    if not _PLAIN.fullmatch(role):
        raise UserError(
            f"SEGMART_READER_ROLE is {role}; a role's name is of small letters, digits and _ here."
        )
    return role


def extension_file(root: Path) -> Path:
    """DuckDB's PostgreSQL client, from the wheel in requirements-postgres.lock."""
    found = sorted(
        (root / ".venv-bi" / "postgres").glob(
            f"**/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
        )
    )
    if not found:
        raise UserError(
            f"The PostgreSQL client of DuckDB {duckdb.__version__} is not installed; "
            "`make publish-postgres` installs it."
        )
    return found[0]


@contextmanager
def _connected(settings: Settings, warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with the published file and the server attached, as `warehouse` and `server`."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=options) as connection:
        connection.execute(f"load {literal(extension_file(settings.root))}")
        try:
            connection.execute(f"attach {literal(warehouse)} as warehouse (read_only)")
        except duckdb.Error as error:
            shown, reason = settings.shown(warehouse), sentences.one_line(str(error))
            raise UserError(f"{shown} cannot be read ({reason}).") from error
        # Empty: everything comes from the environment, and no error can repeat a password.
        connection.execute("attach '' as server (type postgres)")
        yield connection


def _swap(connection: duckdb.DuckDBPyConnection, settings: Settings, role: str) -> Copied:
    """Write the new schemas and rename them, in one transaction of the server."""
    tables = connection.execute(
        "select schema_name, table_name, comment from duckdb_tables() "
        "where database_name = 'warehouse' and list_contains(?, schema_name) order by 1, 2",
        [list(AGGREGATE_SCHEMAS)],
    ).fetchall()
    (about,) = connection.execute(
        "select source_name, cast(as_of_on as varchar) from warehouse.health.build_info"
    ).fetchall()
    row_count = 0
    connection.begin()
    try:
        if not _value(connection, f"select pg_try_advisory_xact_lock({LOCK})::int"):
            raise UserError(
                f"Another {COMMAND} to this database is under way; wait until it is done."
            )
        _execute(connection, f"set local lock_timeout = {literal(SWAP_WAITS)}")
        there = _schemas_there(connection)
        _refuse_replacing(connection, there, about[0], settings)
        _ensure_role(connection, role)
        for schema in AGGREGATE_SCHEMAS:
            connection.execute(f"create schema server.{NEW}{schema}")
        for schema, table, comment in tables:
            row_count += _copy(connection, schema, table)
            _say(connection, schema, table, comment)
        stamp = time.time_ns()
        for schema in AGGREGATE_SCHEMAS:
            _execute(
                connection,
                f"grant usage on schema {NEW}{schema} to {role}",
                f"grant select on all tables in schema {NEW}{schema} to {role}",
                f"comment on schema {NEW}{schema} is "
                f"{literal(f'{MARK}: {about[0]}, as of {about[1]}.')}",
            )
        for schema in AGGREGATE_SCHEMAS:
            if schema in there:
                _execute(connection, f"alter schema {schema} rename to {OLD}{schema}_{stamp}")
            _execute(connection, f"alter schema {NEW}{schema} rename to {schema}")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return Copied(about[0], about[1], len(tables), row_count)


def _schemas_there(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Those of the copy's schemas that the database has; refuses to replace anybody else's."""
    names = ", ".join(literal(schema) for schema in AGGREGATE_SCHEMAS)
    rows = _rows(
        connection,
        "select nspname::text, coalesce(obj_description(oid, 'pg_namespace'), '')::text "
        f"from pg_namespace where nspname in ({names}) order by 1",
    )
    for name, comment in rows:
        if not str(comment).startswith(MARK):
            raise UserError(
                f"The database has a schema {name} that {COMMAND} did not write; name a database "
                "that is for this copy alone (PGDATABASE), or rename that schema."
            )
    return [str(name) for name, _ in rows]


def _refuse_replacing(
    connection: duckdb.DuckDBPyConnection, there: list[str], source: str, settings: Settings
) -> None:
    if "health" not in there or "source" in settings.forced:
        return
    served = str(_value(connection, "select source_name::text from health.build_info"))
    if served not in (source, DEMO_KEY):
        raise UserError(
            f"The database serves {served}, and the published file holds {source}; name another "
            "database (PGDATABASE), or replace what is there with SEGMART_FORCE=source."
        )


def _ensure_role(connection: duckdb.DuckDBPyConnection, role: str) -> None:
    if _value(connection, f"select count(*) from pg_roles where rolname = {literal(role)}"):
        return
    may = _value(
        connection,
        "select (rolcreaterole or rolsuper)::int from pg_roles where rolname = current_user",
    )
    if not may:
        raise UserError(
            f"The database has no role {role}, and this user may not create one; have somebody "
            f"run `create role {role} nologin`."
        )
    _execute(connection, f"create role {role} nologin")


def _copy(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    """Write one table under the new schema's name; its number of rows."""
    address = f"{identifier(f'{NEW}{schema}')}.{identifier(table)}"
    source = f"warehouse.{identifier(schema)}.{identifier(table)}"
    connection.execute(f"create table server.{address} as from {source}")
    row = connection.execute(f"select count(*) from {source}").fetchone()
    assert row is not None
    written = _value(connection, f"select count(*) from {address}")
    if written != row[0]:
        raise RuntimeError(f"{schema}.{table} has {written} rows on the server, not {row[0]}")
    return int(row[0])


def _say(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, comment: str | None
) -> None:
    """Write what the published file says of the table and its columns."""
    address = f"{identifier(f'{NEW}{schema}')}.{identifier(table)}"
    columns = connection.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'warehouse' "
        "and schema_name = ? and table_name = ? and comment is not null order by column_index",
        [schema, table],
    ).fetchall()
    statements = [
        f"comment on column {address}.{identifier(column)} is {literal(text)}"
        for column, text in columns
    ]
    if comment:
        statements.append(f"comment on table {address} is {literal(comment)}")
    _execute(connection, *statements, f"analyze {address}")


def _drop_replaced(connection: duckdb.DuckDBPyConnection, role: str) -> None:
    """Drop what publishes replaced; what a reader still holds stays for the next one, unseen."""
    old = OLD.replace("_", r"\_")
    schemas = _rows(
        connection, rf"select nspname::text from pg_namespace where nspname like '{old}%'"
    )
    for (schema,) in schemas:
        tables = _rows(
            connection,
            "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            f"where n.nspname = {literal(schema)} and c.relkind = 'r' order by 1",
        )
        try:
            for (table,) in tables:
                address = f"{identifier(str(schema))}.{identifier(str(table))}"
                _in_transaction(connection, f"drop table {address}")
            _in_transaction(connection, f"drop schema {identifier(str(schema))}")
        except duckdb.Error as error:
            if "lock timeout" not in str(error):
                raise
            _in_transaction(
                connection, f"revoke all on schema {identifier(str(schema))} from {role}"
            )


def _in_transaction(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    connection.begin()
    try:
        _execute(connection, f"set local lock_timeout = {literal(DROP_WAITS)}", statement)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _execute(connection: duckdb.DuckDBPyConnection, *statements: str) -> None:
    connection.execute(f"call postgres_execute('server', {literal('; '.join(statements))})")


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    sql = f"select * from postgres_query('server', {literal(query)})"
    return connection.execute(sql).fetchall()


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> object:
    return _rows(connection, query)[0][0]


def _said(error: duckdb.Error) -> str:
    """The server's own sentence, where there is one."""
    message = str(error)
    found = [match["said"] for match in _SAID.finditer(message)]
    said = sentences.one_line(re.split(r"FATAL:|ERROR:", found[0])[-1] if found else message)
    return said if said.endswith(".") else f"{said}."


if __name__ == "__main__":
    sentences.run(main, COMMAND)
