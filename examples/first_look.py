"""Print the ten queries of first_look.sql, or the one whose number is given.

    .venv/bin/python examples/first_look.py 5

Reads `published/warehouse.duckdb`, or the folder that PUBLISHED names, and changes nothing. Another
segmentation than the build's primary one: `examples/first_look.py 5 cards`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import duckdb
import pandas as pd

FOLDER = Path(__file__).resolve().parent
HEADING = re.compile(r"^-- (?=\d+\. )", re.MULTILINE)


def parts(text: str) -> tuple[str, dict[int, tuple[str, str]]]:
    """What the file does first, and its queries: number to title and SQL."""
    preamble, *pieces = HEADING.split(text)
    queries = {}
    for piece in pieces:
        heading, sql = piece.split("\n", maxsplit=1)
        number, title = heading.split(". ", maxsplit=1)
        queries[int(number)] = (title, sql)
    return preamble, queries


def look(warehouse: Path, wanted: str = "", segmentation: str = "") -> dict[str, pd.DataFrame]:
    """Title to rows of the queries; raises ValueError, in one sentence, where there is nothing.

    `wanted` is a query's number, or empty for all; `segmentation` is of `marts.segments`, or empty
    for the build's primary one.
    """
    if not warehouse.is_file():
        raise ValueError(f"There is no {warehouse}; run `make build` first.")
    preamble, queries = parts((FOLDER / "first_look.sql").read_text(encoding="utf-8"))
    if wanted and wanted not in map(str, queries):
        raise ValueError(f"There is no query {wanted}; first_look.sql has 1 to {len(queries)}.")
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute(preamble)
        if segmentation:
            connection.execute("set variable primary_segmentation = $1", [segmentation])
        known = connection.execute("select distinct segmentation from marts.segments order by 1")
        names = [name for (name,) in known.fetchall()]
        asked = connection.execute("select getvariable('primary_segmentation')").fetchone()
        if asked is None or asked[0] not in names:
            said = asked[0] if asked else None
            raise ValueError(f"{warehouse} has no segmentation {said}; it has {', '.join(names)}.")
        return {
            f"{number}. {title}": connection.execute(sql).df()
            for number, (title, sql) in queries.items()
            if wanted in ("", str(number))
        }


def main(arguments: list[str]) -> None:
    """Print what `look` finds, or leave with its sentence."""
    if len(arguments) > 2:
        sys.exit("Give at most a query's number and a segmentation: first_look.py 5 cards.")
    published = Path(os.environ.get("PUBLISHED") or FOLDER.parent / "published")
    try:
        found = look(published / "warehouse.duckdb", *arguments)
    except (ValueError, duckdb.Error) as error:
        sys.exit(" ".join(str(error).split()))
    width = {"display.width": 200, "display.max_columns": None, "display.max_colwidth": 70}
    with pd.option_context(*(item for pair in width.items() for item in pair)):
        for title, rows in found.items():
            print(f"\n{title}\n\n{rows.to_string(index=False)}")


if __name__ == "__main__":
    main(sys.argv[1:])
