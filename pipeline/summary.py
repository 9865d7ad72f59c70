"""What a published build says of itself: rows, segments, where it is and what to type next."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import duckdb

from pipeline.report import REPORT_NAME
from pipeline.settings import Settings

WIDTH = 100
ENTITIES = (
    "customers",
    "product_holdings",
    "card_accounts",
    "campaigns",
    "campaign_engagements",
    "transactions",
    "digital_sessions",
    "customer_attributes",
    "given_segments",
    "claims",
)
TOTALS = ("received", "accepted", "blanked", "broken", "superseded")
NOT_FOUND = {
    "missing_file": "not handed in",
    "missing_column": "columns not handed in",
    "ignored_file": "files ignored",
    "ignored_column": "columns ignored",
}


def print_summary(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Print the summary of the published warehouse that the connection has open."""
    print("\n".join(summary_lines(connection, settings)))


def summary_lines(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[str]:
    """The summary, a line an item, at most 100 columns wide where names allow."""
    published = settings.shown(settings.published_folder)
    return [
        "",
        *_as_of(connection),
        "",
        *_entities(connection),
        *_not_found(connection),
        *_segments(connection),
        "Published:",
        f"  {published}/warehouse.duckdb  aggregates, for everybody",
        f"  {published}/parquet/latest    the same as Parquet",
        f"  {published}/customers.duckdb  customer by customer, for you alone",
        f"  {published}/how_to_read_a_verdict.md",
        *_report_line(settings),
        "",
        "Next:",
        *_look_inside(settings.published_folder / "warehouse.duckdb", settings),
        "  make test    runs the tests of some minutes",
        "  make help    lists the other commands",
    ]


def _report_line(settings: Settings) -> list[str]:
    report = settings.published_folder / REPORT_NAME
    return [f"  {settings.shown(report)}       every board on one page"] if report.exists() else []


def _as_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    as_of, method, source = _rows(
        connection,
        "select cast(as_of_on as varchar), as_of_method, source_name from health.build_info",
    )[0]
    return textwrap.wrap(f"As of {as_of} ({method}), from {source}.", WIDTH)


def _entities(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = _rows(
        connection,
        """
        select entity, check_name, row_count
        from health.data_quality
        where check_type = 'total'
        """,
    )
    rows.sort(key=_contract_order)
    lines = [["rows", *TOTALS]]
    for entity, entity_rows in groupby(rows, key=lambda row: row[0]):
        counts = {str(name): count for _, name, count in entity_rows}
        lines.append([str(entity), *(_count(counts.get(total)) for total in TOTALS)])
    return [*aligned(lines), ""]


def _not_found(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = _rows(
        connection,
        """
        select distinct check_type, entity, check_name
        from health.data_quality
        where check_type in ('missing_file', 'missing_column', 'ignored_file', 'ignored_column')
        order by 1, 2, 3
        """,
    )
    rows.sort(key=lambda row: (row[0], _contract_order(row[1:])))
    lines: list[str] = []
    for (check_type, entity), found in groupby(rows, key=lambda row: (row[0], row[1])):
        names = ", ".join(str(name) for _, _, name in found)
        about = f"{entity}: " if entity else ""
        lines += textwrap.wrap(
            f"{about}{NOT_FOUND[str(check_type)]}: {names}",
            WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
    return [*lines, ""] if lines else []


def _contract_order(row: tuple[object, ...]) -> tuple[int, str]:
    """Sorts rows that start with an entity as the raw contract lists the entities."""
    entity = str(row[0] or "")
    return (ENTITIES.index(entity) if entity in ENTITIES else len(ENTITIES), entity)


def _segments(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = _rows(
        connection,
        """
        select segmentation, segment_id, segment_name, entity_count, segment_share
        from marts.segments
        order by segmentation, segment_id
        """,
    )
    lines: list[str] = []
    for segmentation, segments in groupby(rows, key=lambda row: row[0]):
        table = [[f"segments of {segmentation}", "size", "share"]]
        for _, segment_id, name, size, share in segments:
            percent = "-" if share is None else f"{float(str(share)) * 100:.1f} %"
            table.append([f"{segment_id}  {name}", _count(size), percent])
        lines += [*aligned(table), ""]
    return lines


def _look_inside(warehouse: Path, settings: Settings) -> list[str]:
    return [
        '  .venv/bin/python -c "import duckdb; '
        f"warehouse = duckdb.connect('{settings.shown(warehouse)}', \\",
        "      read_only=True); warehouse.sql('from marts.segments').show()\"",
    ]


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: the first column to the left, the others to the right, a rule under the head.

    The first column is at least 28 wide, so that tables under each other look alike.
    """
    columns = list(zip(*table, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    widths[0] = max(widths[0], 28)
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(
                    cell.rjust(max(width, 10))
                    for cell, width in zip(row[1:], widths[1:], strict=True)
                ),
            ]
        ).rstrip()
        for row in table
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def _count(value: object) -> str:
    return "-" if value is None else f"{int(str(value)):,}"


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()
