"""Runs the SQL of models on a bare DuckDB, one table a model, without dbt."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import duckdb
import yaml
from rendering import ROOT, render_model


def _datediff(start: str, end: str, part: str) -> str:
    return f"datediff('{part}', {start}, {end})"


def _dateadd(part: str, interval: int, start: str) -> str:
    return f"({start} + interval ({interval}) {part})"


DBT = SimpleNamespace(datediff=_datediff, dateadd=_dateadd, type_string=lambda: "varchar")


def order_of(folder: Path) -> list[Path]:
    """The models of a folder, each after those of the folder that it refers to."""
    models = {path.stem: path for path in sorted(folder.glob("*.sql"))}
    needs = {
        name: set(re.findall(r"ref\('(\w+)'\)", path.read_text(encoding="utf-8"))) & set(models)
        for name, path in models.items()
    }
    done: list[str] = []
    while len(done) < len(models):
        ready = [name for name in models if name not in done and needs[name] <= set(done)]
        assert ready, f"models refer to each other in a circle: {set(models) - set(done)}"
        done += ready
    return [models[name] for name in done]


def build(
    connection: duckdb.DuckDBPyConnection, models: Sequence[Path], root: Path = ROOT
) -> Mapping[str, float]:
    """Create a table for each model, in this order.

    Args:
        connection: where the tables that the models refer to are found by their plain names.
        models: files below `root`.
        root: the project whose macros and vars are meant.

    Returns:
        Seconds each model took, by name.
    """
    seconds = {}
    for path in models:
        began = time.perf_counter()
        sql = render_model(str(path.relative_to(root)), root=root, dbt=DBT)
        connection.execute(f"create or replace table {path.stem} as {sql}")
        seconds[path.stem] = time.perf_counter() - began
    return seconds


@cache
def documented_columns(root: Path = ROOT) -> dict[str, dict[str, str | None]]:
    """Model to its columns with their data types, null where a model has no contract."""
    files = [
        file for folder in ("models", "python_models") for file in (root / folder).rglob("*.yml")
    ]
    found = {}
    for file in files:
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
            columns = model.get("columns", [])
            found[model["name"]] = {column["name"]: column.get("data_type") for column in columns}
    return found


def create_empty(
    connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], root: Path = ROOT
) -> None:
    """Create a table with the columns a model documents and no rows.

    Args:
        connection: where to.
        name: the model.
        types: of columns that have none in the model's contract; the others are text.
        root: the project.
    """
    columns = ", ".join(
        f"{column} {data_type or types.get(column, 'varchar')}"
        for column, data_type in documented_columns(root)[name].items()
    )
    connection.execute(f"create table {name} ({columns})")


def models_for(name: str, given: Collection[str], root: Path = ROOT) -> list[Path]:
    """A model and those it is made from, each after what it refers to.

    Args:
        name: the model.
        given: models and seeds that are there as tables already.
        root: the project.

    Raises:
        KeyError: a model that is needed is not written in SQL, and not given.
    """
    files = {path.stem: path for path in (root / "models").rglob("*.sql")}
    order: list[str] = []

    def add(model: str) -> None:
        if model in given or model in order:
            return
        needed: list[str] = []

        def ref(other: str) -> str:
            needed.append(other)
            return other

        render_model(str(files[model].relative_to(root)), root=root, dbt=DBT, ref=ref)
        for other in needed:
            add(other)
        order.append(model)

    add(name)
    return [files[model] for model in order]


def tables_of(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the tables that are there."""
    rows = connection.sql("select table_name from duckdb_tables()").fetchall()
    return {name for (name,) in rows}
