"""What raw files cannot rebuild (fits, history): each publish exports it, each run reads it.

A folder a source holds one subfolder of Parquet files and `state.json`, which names it and the
files' hashes. The subfolder is written whole, then `state.json` is replaced in one step, so that a
killed publish leaves the old state or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline import csv_files
from pipeline.files import WORK_PREFIX, locked, sync
from pipeline.settings import absolute_path
from pipeline.sql_text import literal

VERSION = 1
MANIFEST = "state.json"
DEFAULT_FOLDER = "state"


class UnreadableState(Exception):
    """The folder cannot be used; its text is a sentence that says what to do."""


def folder_of(target: str, source_name: str) -> Path:
    """Where a source's state lies: under the folder STATE, by target and source name."""
    base = os.environ.get("STATE", "").strip() or DEFAULT_FOLDER
    return absolute_path(base, Path.cwd()) / target / source_name


def read(folder: Path, raw_data: str) -> dict[str, Path]:
    """Return table name to Parquet file; nothing where nothing was ever published.

    Raises UnreadableState where the folder is damaged, of a newer version, or another source's.
    """
    manifest = folder / MANIFEST
    restore = "put a backup of the folder back, or remove the folder to begin its history anew"
    if not manifest.exists():
        if folder.is_dir() and any(path.is_dir() for path in folder.glob("[!.]*")):
            raise UnreadableState(f"{folder} has lost its {MANIFEST}; {restore}.")
        return {}
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        version, files = int(content["state_version"]), dict(content["files"])
        written_for = str(content["raw_data"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableState(f"{manifest} is damaged; {restore}.") from error
    if version > VERSION:
        raise UnreadableState(
            f"{manifest} was written by a newer Segmart (state version {version}, this one knows "
            f"{VERSION}); build with that one, or upgrade this one."
        )
    if written_for != raw_data and written_for and Path(written_for).is_dir():
        raise UnreadableState(
            f"{folder} holds the history of {written_for}, and RAW_DATA is "
            f"{raw_data or 'not set'}: two sources of one name; give this one another in its "
            "source_name.txt."
        )
    for name, file in files.items():
        path = folder / str(file["path"])
        if not path.is_file():
            raise UnreadableState(f"{path} is missing; {restore}.")
        if csv_files.file_hash(str(path)) != file["hash"]:
            raise UnreadableState(f"{path} is damaged ({name}); {restore}.")
    return {name: folder / str(file["path"]) for name, file in files.items()}


@dataclass(frozen=True)
class Export:
    """A state that is written, and not yet in use."""

    folder: Path
    key: str
    manifest: Path

    def put_in_place(self) -> None:
        """Make it the state that the next run reads; remove the one before."""
        os.replace(self.manifest, self.folder / MANIFEST)
        for left in self.folder.iterdir():
            if left.is_dir() and left.name != self.key:
                shutil.rmtree(left)


@contextmanager
def written(
    build: duckdb.DuckDBPyConnection, catalog: str, folder: Path, about: dict[str, str], key: str
) -> Iterator[Export]:
    """Write the state of a build beside the one in use; what is not put in place is removed.

    Args:
        build: a connection that has the build file attached as `catalog`.
        folder: the source's folder (see `folder_of`).
        about: what `state.json` says besides the files: source_name, raw_data, as_of_on.
        key: the subfolder's name; of a state that is not in use yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", f"Another publish writes to {folder}; wait until it is done."):
        for left in folder.glob(f"{WORK_PREFIX}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        work = folder / f"{WORK_PREFIX}{os.getpid()}"
        work.mkdir(mode=0o700)
        manifest = folder / f"{WORK_PREFIX}{os.getpid()}.json"
        try:
            files = {}
            for name, address in _tables(build, catalog):
                path = work / f"{name}.parquet"
                build.execute(
                    f"copy (from {address}) to {literal(path)} (format parquet, compression zstd)"
                )
                path.chmod(0o600)
                files[name] = {"path": f"{key}/{path.name}", "hash": csv_files.file_hash(str(path))}
                sync(path)
            content = {"state_version": VERSION, **about, "files": files}
            manifest.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            sync(manifest)
            shutil.rmtree(folder / key, ignore_errors=True)
            os.rename(work, folder / key)
            sync(folder)
            yield Export(folder, key, manifest)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            if manifest.exists():
                manifest.unlink()
                shutil.rmtree(folder / key, ignore_errors=True)


def _tables(build: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str]]:
    """The models that have a source `state` of their name, with their address."""
    return build.execute(
        """
        select
            models.table_name,
            format('"{}"."{}"."{}"', $1, models.schema_name, models.table_name)
        from duckdb_tables() as models
        inner join duckdb_tables() as kept using (database_name, table_name)
        where
            database_name = $1 and kept.schema_name = 'state' and models.schema_name <> 'state'
        order by all
        """,
        [catalog],
    ).fetchall()
