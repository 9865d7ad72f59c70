"""Which files a RAW_DATA folder holds of one entity, and the columns of Parquet files."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipeline.csv_files import UnreadableFile
from pipeline.sentences import one_line

SUFFIXES = (".csv", ".parquet")
# DuckDB numbers the rows of a Parquet file in a column of this name.
_ROW_NUMBER = "file_row_number"


_frozen: frozenset[Path] | None = None


@contextmanager
def only(paths: Iterable[Path]) -> Iterator[None]:
    """Within this block a folder holds, of its parts and files of entities, these alone.

    What lands while a build runs is then seen by all its nodes or by none.
    """
    global _frozen
    _frozen = frozenset(paths)
    try:
        yield
    finally:
        _frozen = None


def candidates(folder: Path, name: str) -> list[Path]:
    """What a build would read of one entity, or stumble over, by name."""
    singles = [folder / (name + suffix) for suffix in SUFFIXES]
    parts_folder = folder / name
    parts = sorted(parts_folder.iterdir()) if parts_folder.is_dir() else []
    return [path for path in singles if path.is_file()] + [path for path in parts if _is_part(path)]


def find_files(folder: Path, name: str) -> list[Path]:
    """NAME.csv, NAME.parquet, or the parts in the folder NAME, by name; [] if none is there.

    Raises UnreadableFile where it is not clear what is meant: several of these, both kinds of
    parts, or a folder without parts.
    """
    single = [folder / (name + suffix) for suffix in SUFFIXES]
    for path in single:
        if path.is_dir():
            raise UnreadableFile(
                f"RAW_DATA holds {path.name} as a folder; call a folder of parts {name}, or put "
                "one file in its place."
            )
    there = candidates(folder, name)
    found = [path for path in there if _frozen is None or path in _frozen]
    parts_folder = folder / name
    if parts_folder.is_dir() and not any(path.parent == parts_folder for path in there):
        raise UnreadableFile(
            f"RAW_DATA holds the folder {name} without any .csv or .parquet part; put the "
            "parts there, or remove the folder."
        )
    if len({path.parent for path in found}) > 1 or len({path.suffix for path in found}) > 1:
        shown = ", ".join(str(path.relative_to(folder)) for path in found)
        raise UnreadableFile(
            f"RAW_DATA holds {name} more than once ({shown[:120]}); keep one file, or one folder "
            "of parts of one kind."
        )
    return found


def files_of(folder: Path) -> list[Path]:
    """Every file of the folder and of the folders in it that is not hidden, by name."""
    visible = "[!.]*"
    found = [*folder.glob(visible), *folder.glob(f"{visible}/{visible}")]
    return sorted(path for path in found if path.is_file())


def parquet_columns(path: Path, name: str) -> list[str]:
    """The names of a Parquet file's columns, as written; `name` is what errors call the file.

    Raises UnreadableFile for a file that is no Parquet file, or not a whole one.
    """
    try:
        with duckdb.connect() as connection:
            columns = list(connection.read_parquet(glob.escape(str(path))).columns)
    except duckdb.Error as problem:
        reason = one_line(str(problem).split("\n")[0]).split("Error: ", maxsplit=1)[-1]
        raise UnreadableFile(
            f"{name} cannot be read as Parquet ({reason.replace(str(path), path.name)}); "
            "export it again."
        ) from None
    if _ROW_NUMBER in (column.lower() for column in columns):
        raise UnreadableFile(
            f"{name} has a column {_ROW_NUMBER}, a name that reading it needs; rename it."
        )
    return columns


def _is_part(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()
