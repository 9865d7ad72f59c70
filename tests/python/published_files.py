"""The demo's published files, for tests that read what everybody else reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
PUBLISHED = PROJECT / "published"
WAREHOUSE = PUBLISHED / "warehouse.duckdb"
DECOY = "decoy"
NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL")


def published_demo() -> Path:
    """The demo's published warehouse; skips the test where there is none."""
    if not WAREHOUSE.exists():
        pytest.skip("published/warehouse.duckdb is not there; make build makes it.")
    with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:
        (source,) = connection.execute("select source_name from health.build_info").fetchall()
    if source != ("demo",):
        pytest.skip(f"published/warehouse.duckdb holds {source[0]}, not the demo.")
    return WAREHOUSE


def primary_segmentation() -> str:
    """The segmentation that examples, datasets and boards show unless told otherwise."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    return str(project["vars"].get("primary_segmentation", "behaviour"))


def with_decoy(warehouse: Path, folder: Path) -> Path:
    """A copy of the file in which a second segmentation of the same customers was added.

    Its rows are those of the primary one with every number some times as large, each column's
    another time, so that sums, ratios and picks over both come to other numbers than in the file.
    """
    copy = folder / warehouse.name
    shutil.copyfile(warehouse, copy)
    with duckdb.connect(str(copy)) as connection:
        columns: dict[str, list[tuple[str, str]]] = {}
        for table, column, kind in connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
            " where not internal order by table_oid, column_index"
        ).fetchall():
            columns.setdefault(table, []).append((column, kind))
        connection.begin()
        for table, its in columns.items():
            if "segmentation" not in dict(its):
                continue
            changed = ", ".join(
                f'"{column}" * {times} as "{column}"'
                for times, (column, kind) in enumerate(its, start=2)
                if kind.startswith(NUMBERS)
            )
            replaced = f"'{DECOY}' as segmentation" + (f", {changed}" if changed else "")
            connection.execute(
                f"insert into {table} select * replace ({replaced}) from {table}"
                " where segmentation = ?",
                [primary_segmentation()],
            )
        connection.commit()
    return copy
