"""Turn one foreign file into a folder of raw files that a build can read.

`python -m pipeline.import_source SOURCE INPUT OUT` runs `importers/SOURCE.sql` on INPUT and writes
each table it makes as `OUT/<entity>.parquet`, beside `OUT/source_name.txt`.
"""

from __future__ import annotations

import argparse
import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipeline.sql_text import identifier, literal

IMPORTERS_FOLDER = Path(__file__).resolve().parent.parent / "importers"
SOURCE_NAME_FILE = "source_name.txt"


class ImportProblem(Exception):
    """Something the person who started the import can put right; the text is one sentence."""


def known_sources(importers_folder: Path = IMPORTERS_FOLDER) -> list[str]:
    """Return the names of the importers in `importers_folder`, sorted."""
    return sorted(path.stem for path in importers_folder.glob("*.sql"))


def import_source(
    source: str, input_file: Path, out_folder: Path, importers_folder: Path = IMPORTERS_FOLDER
) -> dict[str, int]:
    """Run the importer `source` on `input_file` and put its tables into `out_folder`.

    An earlier import in `out_folder` is replaced as a whole: its Parquet files go, and anything
    else in the folder (a claims file written by hand, say) stays. A failure at any step leaves
    `out_folder` as it was.

    Returns the row count of each entity, in the order of their names.

    Raises ImportProblem for an unknown source, a missing or unsuitable input, and a folder that
    cannot be written or that holds something else than an import.
    """
    if source not in known_sources(importers_folder):
        known = ", ".join(known_sources(importers_folder)) or "none"
        raise ImportProblem(f"There is no importer {source}; known sources: {known}.")
    if not input_file.is_file():
        raise ImportProblem(f"The input {input_file} is not a file that exists.")
    _refuse_foreign_folder(out_folder)
    # A link to a folder stays a link: what it points to is replaced.
    out_folder = out_folder.resolve()

    try:
        out_folder.parent.mkdir(parents=True, exist_ok=True)
        # A sibling, so that moving it into place is a rename and not a copy.
        workspace = Path(
            tempfile.mkdtemp(prefix=f".{out_folder.name}.unfinished.", dir=out_folder.parent)
        )
    except OSError as error:
        raise ImportProblem(
            f"The folder {out_folder} cannot be made ({error.strerror}): choose another OUT."
        ) from None
    finished = workspace / "finished"
    earlier = workspace / "earlier"
    try:
        finished.mkdir()
        importer = importers_folder / f"{source}.sql"
        counts = _write_entities(source, importer, input_file, finished)
        if not any(counts.values()):
            raise ImportProblem(f"{input_file} has no rows below its header.")
        (finished / SOURCE_NAME_FILE).write_text(f"{source}\n", encoding="utf-8")
        _add_claims(source, importers_folder, finished, out_folder)
        _move_into_place(finished, out_folder, earlier)
    except OSError as error:
        raise ImportProblem(f"The import cannot be written to {out_folder} ({error}).") from None
    finally:
        # Where the earlier import could not be put back, this is its only copy.
        if not earlier.exists():
            shutil.rmtree(workspace, ignore_errors=True)
    return counts


def _add_claims(source: str, importers_folder: Path, folder: Path, out_folder: Path) -> None:
    """Copy the study's sentences and segment labels, where `out_folder` has none of its own."""
    for name in ("claims", "segment_labels"):
        shipped = importers_folder / f"{source}_{name}.csv"
        if shipped.is_file() and not (out_folder / f"{name}.csv").exists():
            shutil.copyfile(shipped, folder / f"{name}.csv")


def _refuse_foreign_folder(out_folder: Path) -> None:
    """Raise ImportProblem where `out_folder` holds anything but an earlier import."""
    if not os.path.lexists(out_folder):
        return
    if not out_folder.is_dir():
        raise ImportProblem(f"{out_folder} is not a folder: choose another OUT.")
    if any(out_folder.iterdir()) and not (out_folder / SOURCE_NAME_FILE).is_file():
        raise ImportProblem(
            f"The folder {out_folder} is not empty and holds no earlier import "
            f"(no {SOURCE_NAME_FILE}): choose another OUT."
        )


def _write_entities(source: str, importer: Path, input_file: Path, folder: Path) -> dict[str, int]:
    """Run `importer` on `input_file` and write its tables to `folder`; return their row counts."""
    with duckdb.connect(":memory:") as connection:
        # The name of one file, even where it holds a star or a bracket.
        connection.execute("set variable input = ?", [glob.escape(str(input_file))])
        # Where an importer finds a second file that belongs to the first.
        connection.execute("set variable folder = ?", [glob.escape(str(input_file.parent))])
        try:
            connection.execute(importer.read_text(encoding="utf-8"))
        except duckdb.ParserException:
            raise
        except duckdb.Error as error:
            raise ImportProblem(_explain(error, source, input_file)) from None
        entities = connection.execute(
            "select table_name from duckdb_tables() where not temporary order by table_name"
        ).fetchall()
        counts: dict[str, int] = {}
        for (entity,) in entities:
            target = literal(folder / f"{entity}.parquet")
            written = connection.execute(
                f"copy {identifier(entity)} to {target} (format parquet, compression zstd)"
            ).fetchone()
            assert written is not None
            counts[entity] = int(written[0])
    return counts


def _explain(error: duckdb.Error, source: str, input_file: Path) -> str:
    """Say in one sentence why `input_file` does not suit the importer `source`."""
    text = str(error)
    missing = re.search(r'column "([^"]+)" not found|does not have a column named "([^"]+)"', text)
    if missing:
        column = missing.group(1) or missing.group(2)
        return (
            f'{input_file} has no column "{column}", which the importer {source} reads: '
            "is it the right file, a CSV with a header line?"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    problem = re.sub(r"^[A-Za-z -]+ Error: ", "", lines[0]) if lines else type(error).__name__
    # DuckDB crashes on some files with bytes that are no UTF-8 instead of refusing them.
    if problem.startswith(("Error when sniffing", "CSV Error")) or isinstance(
        error, duckdb.InternalException
    ):
        line = re.search(r"on Line: (\d+)", problem)
        place = f" (see line {line.group(1)})" if line else ""
        # It may be a file beside the input that cannot be read: DuckDB names the one it means.
        named = re.search(r'sniffing file "(.+)"|^ *file = (.+)$', text, re.MULTILINE)
        unread = (named.group(1) or named.group(2)) if named else input_file
        return (
            f"{unread} cannot be read by the importer {source}{place}: it must be a CSV in "
            "UTF-8 with commas, one header line, and as many cells in every line."
        )
    # DuckDB's first line says what is wrong; the rest is advice about its own options.
    return f"{input_file} does not suit the importer {source}: {problem.rstrip('.! ')}."


def _move_into_place(finished: Path, out_folder: Path, earlier: Path) -> None:
    """Replace `out_folder` by `finished`, keeping what no import wrote; undo it on failure.

    `earlier` is a path that does not exist, where the old folder waits until the new one stands.
    """
    if not out_folder.exists():
        finished.rename(out_folder)
        return
    for kept in out_folder.iterdir():
        if kept.name == SOURCE_NAME_FILE or kept.suffix == ".parquet":
            continue
        if kept.is_dir():
            shutil.copytree(kept, finished / kept.name, symlinks=True)
        else:
            shutil.copy2(kept, finished / kept.name, follow_symlinks=False)
    shutil.copymode(out_folder, finished)
    out_folder.rename(earlier)
    try:
        finished.rename(out_folder)
    except BaseException:
        earlier.rename(out_folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, import, print one line an entity; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.import_source",
        description="Turn a foreign file into a folder of raw files that a build can read.",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help=f"one of: {', '.join(known_sources()) or 'none yet'}"
    )
    parser.add_argument("input_file", metavar="INPUT", type=Path, help="the file to import")
    parser.add_argument("out_folder", metavar="OUT", type=Path, help="the folder to write")
    options = parser.parse_args(arguments)
    try:
        counts = import_source(options.source, options.input_file, options.out_folder)
    except ImportProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    for entity, count in counts.items():
        print(f"{entity}: {count:,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
