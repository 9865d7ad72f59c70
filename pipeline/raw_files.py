"""Which files a RAW_DATA folder holds of one entity, and the columns of Parquet files."""

from __future__ import annotations

import glob
from pathlib import Path

import duckdb

from pipeline.csv_files import UnreadableFile
from pipeline.sentences import one_line

SUFFIXES = (".csv", ".parquet")
# DuckDB numbers the rows of a Parquet file in a column of this name.
_ROW_NUMBER = "file_row_number"


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
    found = [path for path in single if path.exists()]
    parts_folder = folder / name
    if parts_folder.is_dir():
        parts = sorted(path for path in parts_folder.iterdir() if _is_part(path))
        if not parts:
            raise UnreadableFile(
                f"RAW_DATA holds the folder {name} without any .csv or .parquet part; put the "
                "parts there, or remove the folder."
            )
        found += parts
    if len({path.parent for path in found}) > 1 or len({path.suffix for path in found}) > 1:
        shown = ", ".join(str(path.relative_to(folder)) for path in found)
        raise UnreadableFile(
            f"RAW_DATA holds {name} more than once ({shown[:120]}); keep one file, or one folder "
            "of parts of one kind."
        )
    return found


def files_of(folder: Path) -> list[Path]:
    """Every file of the folder and of the folders in it, by name."""
    return sorted(path for path in [*folder.glob("*"), *folder.glob("*/*")] if path.is_file())


def parquet_columns(path: Path) -> list[str]:
    """The names of a Parquet file's columns, as written.

    Raises UnreadableFile for a file that is no Parquet file, or not a whole one.
    """
    try:
        with duckdb.connect() as connection:
            columns = list(connection.read_parquet(glob.escape(str(path))).columns)
    except duckdb.Error as problem:
        reason = one_line(str(problem).split("\n")[0]).split("Error: ", maxsplit=1)[-1]
        raise UnreadableFile(
            f"{path.name} cannot be read as Parquet ({reason.replace(str(path), path.name)}); "
            "export it again."
        ) from None
    if _ROW_NUMBER in (column.lower() for column in columns):
        raise UnreadableFile(
            f"{path.name} has a column {_ROW_NUMBER}, a name that reading it needs; rename it."
        )
    return columns


def _is_part(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()
