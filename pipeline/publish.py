"""Publish a build that passed everything: `make publish`.

The build file is read, never handed out. Readers see `warehouse.duckdb` (aggregates),
`customers.duckdb` (customer grain, mode 0600), a page on how to read a verdict, the fits in use
(`fits/`, for `make score`) and `parquet/latest`, each replaced in one step after it was written
whole elsewhere, so that a killed publish leaves the old or the new one. Last comes `report.html`,
which takes longer than all the rest: a report that cannot be drawn takes nothing back.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline import build_file, files, fits, log, report, sentences, state, verdict_page
from pipeline.sentences import UserError
from pipeline.settings import DEMO_KEY, Settings
from pipeline.sql_text import identifier, literal
from pipeline.summary import print_summary

WAREHOUSE = "warehouse.duckdb"
CUSTOMERS = "customers.duckdb"
AGGREGATE_SCHEMAS = ("marts", "health", "evidence")
CUSTOMER_SCHEMA = "customers"
ALSO_IN_CUSTOMERS = (("health", "build_info"), ("marts", "segments"))
NEVER_PUBLISHED = ("rejected_rows",)
PERSONAL_KEYS = (
    "customer_id",
    "cust_id",
    "entity_id",
    "holding_id",
    "engagement_id",
    "transaction_id",
)
PARQUET_NAME = re.compile(r"(?P<key>\d{4}-\d{2}-\d{2}_[0-9a-zA-Z]+)(?:_(?P<copy>\d+))?")
COMMAND = "make publish"


@dataclass(frozen=True)
class BuildInfo:
    """Which build a file holds: `as_of_on` as ISO text, the source's name, the input's hash."""

    as_of_on: str
    source_name: str
    input_hash: str

    @property
    def parquet_key(self) -> str:
        """The stem of the Parquet folder's name."""
        return f"{self.as_of_on}_{self.input_hash[:8]}"


@dataclass(frozen=True)
class Relation:
    """One table or view of the build that is to be published."""

    schema: str
    name: str
    comment: str | None

    @property
    def address(self) -> str:
        """Schema and name in the build, quoted for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def published_schema(self) -> str:
        """The schema it has in the published file.

        A file named customers is opened as the catalog `customers`; with a schema of that name in
        it, `customers.segment_members` would be ambiguous. So these tables are in `main`.
        """
        return "main" if self.schema == CUSTOMER_SCHEMA else self.schema

    @property
    def published_address(self) -> str:
        """Schema and name in the published file, quoted for SQL."""
        return f"{identifier(self.published_schema)}.{identifier(self.name)}"


def main() -> None:
    """Publish this environment's build, draw its report and print its summary."""
    publish_and_tell(Settings.from_environment())


def publish_and_tell(settings: Settings) -> tuple[BuildInfo, bool]:
    """Publish, draw the report, print the summary; returns what it is and whether all was drawn."""
    started = time.monotonic()
    info = publish(settings)
    is_drawn = draw_report(settings)
    log.write(
        "make publish",
        "published",
        target=settings.target,
        source=info.source_name,
        as_of_on=info.as_of_on,
        input_hash=info.input_hash,
        seconds=round(time.monotonic() - started, 3),
    )
    warehouse = settings.published_folder / WAREHOUSE
    with duckdb.connect(str(warehouse), read_only=True) as published:
        print_summary(published, settings)
    return info, is_drawn


def publish(settings: Settings) -> BuildInfo:
    """Publish the build; raises UserError, with nothing changed, when it may not or cannot be."""
    kept = settings.published_versions_kept()
    try:
        with build_file.opened(settings, COMMAND) as build:
            info = _publishable(build, settings)
            columns = _received_columns(build, settings)
            _refuse_unprepared(settings.published_folder)
            with _only_publisher(settings):
                _refuse_replacing(info, settings)
                _remove_leftovers(settings.published_folder)
                work = settings.published_folder / f"{files.WORK_PREFIX}{os.getpid()}"
                try:
                    _write_all(build, work, settings.spill_folder or work / "spill")
                    _write_page(work, settings)
                    _write_fits(build, work)
                    with _state_written(build, info, settings) as new_state:
                        # First: a published file without its history could not be caught up with.
                        new_state.put_in_place()
                        _put_in_place(work, settings.published_folder, info, kept)
                finally:
                    shutil.rmtree(work, ignore_errors=True)
            _write_published_columns(columns, settings.published_columns_file)
    except OSError as error:
        raise UserError(
            f"{settings.shown(settings.published_folder)} cannot be written: "
            f"{sentences.of_os_error(error)}."
        ) from error
    except (duckdb.IOException, duckdb.FatalException) as error:
        reason = sentences.of_too_small_a_machine(str(error), "make publish", settings.shown)
        raise UserError(
            f"Nothing was published: {reason or sentences.one_line(str(error))}"
        ) from error
    return info


def draw_report(settings: Settings) -> bool:
    """Write the report of what is published now, unless REPORT=no.

    Returns whether that was done; the earlier one stays if it cannot be drawn.
    """
    if os.environ.get("REPORT", "").strip() == "no":
        return True
    try:
        report.write(settings)
    except Exception as error:
        shown = settings.shown(settings.published_folder / report.REPORT_NAME)
        reason = str(error)
        if not isinstance(error, UserError):
            reason = (
                f"{type(error).__name__}; {log.write_exception('make report', error)} says more."
            )
        log.write("make publish", "report not drawn", level="warning", message=reason)
        print(f"Published, but {shown} was not written anew: {reason}", file=sys.stderr, flush=True)
        return False
    return True


def _state_written(
    build: duckdb.DuckDBPyConnection, info: BuildInfo, settings: Settings
) -> AbstractContextManager[state.Export]:
    """Export what raw files cannot rebuild (see `pipeline.state`)."""
    about = {
        "source_name": info.source_name,
        "raw_data": str(settings.raw_data or ""),
        "as_of_on": info.as_of_on,
    }
    key = f"{info.parquet_key}_{time.time_ns():x}"
    folder = state.folder_of(settings.target, info.source_name)
    return state.written(build, build_file.CATALOG, folder, about, key)


def keep_history(settings: Settings) -> BuildInfo:
    """Enter the build into its source's history without publishing it to readers."""
    with build_file.opened(settings, COMMAND) as build:
        info = _publishable(build, settings)
        with _state_written(build, info, settings) as new_state:
            new_state.put_in_place()
    return info


# --- may this build be published? ---


def _publishable(build: duckdb.DuckDBPyConnection, settings: Settings) -> BuildInfo:
    """Refuse a build that is incomplete, red or not passed by the gate; say which build it is."""
    build_id = build_file.finished_build(build, settings, "Nothing was published")
    _refuse_ungated(build_id, settings)
    try:
        info = _build_info(build, f"{build_file.CATALOG}.health.build_info")
    except duckdb.CatalogException as error:
        shown = settings.shown(settings.build_file)
        raise UserError(
            f"Nothing was published: {shown} has no health.build_info; run `make load`."
        ) from error
    _refuse_customer_grain(build)
    return info


def _refuse_ungated(build_id: str, settings: Settings) -> None:
    shown = settings.shown(settings.gate_file)
    try:
        verdict = json.loads(settings.gate_file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "Nothing was published: this build has not been through the gate; run `make gate`."
        ) from error
    except ValueError as error:
        raise UserError(
            f"Nothing was published: {shown} cannot be read; run `make gate` again."
        ) from error
    if not isinstance(verdict, dict) or verdict.get("build_id") != build_id:
        raise UserError(
            "Nothing was published: the gate has judged another build than this one; "
            "run `make gate`."
        )
    if verdict.get("success") is not True:
        raise UserError(
            "Nothing was published: this build did not pass the gate; `make gate` shows why."
        )


def _received_columns(
    build: duckdb.DuckDBPyConnection, settings: Settings
) -> list[tuple[str, str]]:
    try:
        return build.execute(
            f"""
            select entity, column_name
            from {build_file.CATALOG}.internal.received_columns
            where column_status = 'received'
            order by all
            """
        ).fetchall()
    except duckdb.CatalogException as error:
        raise UserError(
            f"Nothing was published: {settings.shown(settings.build_file)} has no "
            "internal.received_columns; run `make load`."
        ) from error


def _refuse_customer_grain(build: duckdb.DuckDBPyConnection) -> None:
    """The aggregates' file is for many eyes: a single customer's rows never enter it."""
    found = build.execute(
        """
        select schema_name, table_name, column_name
        from duckdb_columns()
        where database_name = ? and list_contains(?, schema_name)
            and list_contains(?, lower(column_name))
        order by all
        """,
        [build_file.CATALOG, list(AGGREGATE_SCHEMAS), list(PERSONAL_KEYS)],
    ).fetchone()
    if found is not None and found[1] not in NEVER_PUBLISHED:
        schema, table, column = found
        raise UserError(
            f"Nothing was published: {schema}.{table} has the column {column}; rows of single "
            "customers belong into the schema customers."
        )


def _refuse_unprepared(published: Path) -> None:
    """Make the published folder; refuse one whose `parquet/latest` would be in the way."""
    (published / "parquet").mkdir(parents=True, exist_ok=True)
    latest = published / "parquet" / "latest"
    if latest.exists() and not latest.is_symlink():
        raise UserError(
            f"{latest} is not the link that publishing keeps there; move it away, "
            "then run `make publish` again."
        )


def _refuse_replacing(info: BuildInfo, settings: Settings) -> None:
    """Refuse to put this build over another source's, or over a newer as-of date."""
    warehouse = settings.published_folder / WAREHOUSE
    if not warehouse.exists():
        return
    shown = settings.shown(warehouse)
    there = published_info(settings)
    if there.source_name not in (info.source_name, DEMO_KEY) and "source" not in settings.forced:
        raise UserError(
            f"Nothing was published: {shown} holds {there.source_name}, and this build is of "
            f"{info.source_name}; publish it to another folder (PUBLISHED=...), or replace what "
            "is there with SEGMART_FORCE=source."
        )
    if (
        there.source_name == info.source_name
        and there.as_of_on > info.as_of_on
        and "older" not in settings.forced
    ):
        raise UserError(
            f"Nothing was published: {shown} is as of {there.as_of_on}, newer than this build's "
            f"{info.as_of_on}; to publish the older one, say SEGMART_FORCE=older."
        )


def published_info(settings: Settings) -> BuildInfo:
    """Which build is published.

    A reader who opened the published file for writing locks it; then the Parquet copy tells.
    """
    warehouse = settings.published_folder / WAREHOUSE
    copy = settings.published_folder / "parquet" / "latest" / "health" / "build_info.parquet"
    try:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            return _build_info(connection, "health.build_info")
    except duckdb.Error as error:
        if "Conflicting lock" not in str(error) or not copy.exists():
            shown = settings.shown(warehouse)
            raise UserError(build_file.unreadable(shown, error, COMMAND, COMMAND)) from error
    with duckdb.connect(":memory:") as connection:
        return _build_info(connection, literal(copy))


def _build_info(connection: duckdb.DuckDBPyConnection, relation: str) -> BuildInfo:
    row = connection.execute(
        f"select cast(as_of_on as varchar), source_name, input_hash from {relation}"
    ).fetchone()
    if row is None:
        raise UserError("health.build_info is empty; run `make load`.")
    return BuildInfo(as_of_on=row[0], source_name=row[1], input_hash=row[2])


# --- one publisher at a time ---


@contextmanager
def _only_publisher(settings: Settings) -> Iterator[None]:
    """Hold the published folder's lock; the system frees it when this process dies."""
    folder = settings.published_folder
    refused = (
        f"Another publish to {settings.shown(folder)} is under way; "
        "wait until it is done, then run `make publish` again."
    )
    with files.locked(folder / ".lock", refused):
        yield


def _remove_leftovers(published: Path) -> None:
    """Remove what killed publishes left; whoever holds the lock knows that they are dead."""
    for folder in (published, published / "parquet"):
        for left in folder.glob(f"{files.WORK_PREFIX}*"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()


# --- write it all beside what is published ---


def _write_all(build: duckdb.DuckDBPyConnection, work: Path, spill: Path) -> None:
    """Write both DuckDB files and the Parquet folder into `work`, closed, checked and synced."""
    work.mkdir(mode=0o700)
    build.execute(f"set temp_directory = {literal(spill)}")
    aggregates = [
        relation for schema in AGGREGATE_SCHEMAS for relation in _relations(build, schema)
    ]
    customers = _relations(build, CUSTOMER_SCHEMA)
    shared = [
        relation for relation in aggregates if (relation.schema, relation.name) in ALSO_IN_CUSTOMERS
    ]
    private = os.umask(0o077)
    try:
        _write_duckdb(build, work / CUSTOMERS, [*customers, *shared])
    finally:
        os.umask(private)
    (work / CUSTOMERS).chmod(0o600)
    _write_duckdb(build, work / WAREHOUSE, aggregates)
    _write_parquet(work / WAREHOUSE, work / "parquet", aggregates)


def _write_page(work: Path, settings: Settings) -> None:
    """Write "How to read a verdict" from the file that will be published."""
    with duckdb.connect(str(work / WAREHOUSE), read_only=True) as warehouse:
        page = verdict_page.how_to_read(warehouse, verdict_page.Wording.of(settings))
    files.write_whole(work / verdict_page.PAGE_NAME, page)


def _write_fits(build: duckdb.DuckDBPyConnection, work: Path) -> None:
    folder = work / fits.FITS_FOLDER
    for path in fits.write_fits(build, folder):
        files.sync(path)
    files.sync(folder)


def _relations(build: duckdb.DuckDBPyConnection, schema: str) -> list[Relation]:
    rows = build.execute(
        """
        select table_name, comment from duckdb_tables()
        where database_name = ? and schema_name = ? and not internal
        union all
        select view_name, comment from duckdb_views()
        where database_name = ? and schema_name = ? and not internal
        order by 1
        """,
        [build_file.CATALOG, schema, build_file.CATALOG, schema],
    ).fetchall()
    return [
        Relation(schema=schema, name=name, comment=comment)
        for name, comment in rows
        if name not in NEVER_PUBLISHED
    ]


def _write_duckdb(build: duckdb.DuckDBPyConnection, path: Path, relations: list[Relation]) -> None:
    """Copy the relations as sorted tables, with their comments, into a new file; check it.

    Sorted, so that the rows' order does not depend on how many threads built them.
    """
    build.execute(f"attach {literal(path)} as new_file")
    try:
        for relation in relations:
            build.execute(
                f"create schema if not exists new_file.{identifier(relation.published_schema)}"
            )
            build.execute(
                f"create table new_file.{relation.published_address} as "
                f"select * from {build_file.CATALOG}.{relation.address} order by all"
            )
        # Each of a thousand comments would be written to the disk by itself.
        build.execute("begin")
        for relation in relations:
            _copy_comments(build, relation)
        build.execute("commit")
        build.execute("checkpoint new_file")
    finally:
        build.execute("detach new_file")
    if path.with_name(path.name + ".wal").exists():
        raise RuntimeError(f"{path.name} was closed and still has a write-ahead log")
    expected = {
        relation.address: _row_count(build, f"{build_file.CATALOG}.{relation.address}")
        for relation in relations
    }
    with duckdb.connect(str(path), read_only=True) as copy:
        found = {
            relation.address: _row_count(copy, f"{path.stem}.{relation.published_address}")
            for relation in relations
        }
    if found != expected:
        raise RuntimeError(f"{path.name} differs from the build: {found} against {expected}")
    files.sync(path)


def _copy_comments(build: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    if relation.comment:
        build.execute(
            f"comment on table new_file.{relation.published_address} is {literal(relation.comment)}"
        )
    columns = build.execute(
        """
        select column_name, comment from duckdb_columns()
        where database_name = ? and schema_name = ? and table_name = ? and comment is not null
        """,
        [build_file.CATALOG, relation.schema, relation.name],
    ).fetchall()
    for column, comment in columns:
        build.execute(
            f"comment on column new_file.{relation.published_address}.{identifier(column)} "
            f"is {literal(comment)}"
        )


def _row_count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()
    assert row is not None
    return int(row[0])


def _write_parquet(warehouse: Path, folder: Path, relations: list[Relation]) -> None:
    """Write `folder`/schema/table.parquet from the warehouse file, in its tables' order."""
    folder.mkdir()
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for relation in relations:
            path = folder / relation.schema / f"{relation.name}.parquet"
            path.parent.mkdir(exist_ok=True)
            connection.execute(
                f"copy (from {relation.address}) to {literal(path)} "
                "(format parquet, compression zstd)"
            )
            files.sync(path)
    for schema in sorted(folder.iterdir()):
        files.sync(schema)
    files.sync(folder)


# --- and put it in place, each in one step ---


def _put_in_place(work: Path, published: Path, info: BuildInfo, kept: int) -> None:
    """Replace customers, warehouse, page and fits, then switch `parquet/latest`; prune old folders.

    The Parquet folder gets its name only once its build is published, so that no folder there is
    of a build that never was.
    """
    parquet = published / "parquet"
    latest = parquet / "latest"
    was_latest = latest.readlink().name if latest.is_symlink() else None
    name = _free_name(parquet, info.parquet_key)
    for file_name in (CUSTOMERS, WAREHOUSE):
        # Left by a reader who opened the old file for writing; it would be read into the new one.
        (published / f"{file_name}.wal").unlink(missing_ok=True)
        os.replace(work / file_name, published / file_name)
    os.replace(work / verdict_page.PAGE_NAME, published / verdict_page.PAGE_NAME)
    _replace_fits(work / fits.FITS_FOLDER, published / fits.FITS_FOLDER)
    files.sync(published)
    os.rename(work / "parquet", parquet / name)
    link = parquet / f"{files.WORK_PREFIX}latest-{os.getpid()}"
    os.symlink(name, link)
    os.replace(link, latest)
    files.sync(parquet)
    _prune(parquet, name, was_latest, kept)


def _replace_fits(new: Path, folder: Path) -> None:
    """Replace each fit in one step; a segmentation that is there no more has none."""
    folder.mkdir(exist_ok=True)
    names = {path.name for path in new.iterdir()}
    for name in sorted(names):
        os.replace(new / name, folder / name)
    for path in folder.glob("*.json"):
        if path.name not in names:
            path.unlink()
    files.sync(folder)


def _free_name(parquet: Path, key: str) -> str:
    """The key, or, where that folder exists, the key with the next higher number behind it."""
    copies = [
        int(match["copy"] or 1)
        for match in map(PARQUET_NAME.fullmatch, os.listdir(parquet))
        if match and match["key"] == key
    ]
    return f"{key}_{max(copies) + 1}" if copies else key


def _prune(parquet: Path, latest: str, was_latest: str | None, kept: int) -> None:
    """Keep the `kept` newest folders by as-of date, always the one `latest` names.

    Of several of the same date and input only the newest stays, and the one that was latest
    until now, which a reader may be inside of; that one goes with the next publish.
    """
    folders = sorted(
        (
            (match["key"].split("_")[0], folder.stat().st_mtime_ns, folder.name, match["key"])
            for folder in parquet.iterdir()
            if (match := PARQUET_NAME.fullmatch(folder.name)) and folder.is_dir()
        ),
        reverse=True,
    )
    seen = {key for *_, name, key in folders if name == latest}
    replaced: list[str] = []
    others: list[str] = []
    for *_, name, key in folders:
        if name == latest:
            continue
        (replaced if key in seen and name != was_latest else others).append(name)
        seen.add(key)
    for name in [*replaced, *others[kept - 1 :]]:
        shutil.rmtree(parquet / name)


def _write_published_columns(columns: list[tuple[str, str]], path: Path) -> None:
    """Note the raw columns this build had, beside the build, for the next build's check."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["entity", "column_name"])
    writer.writerows(columns)
    files.write_whole(path, stream.getvalue())


if __name__ == "__main__":
    sentences.run(main)
