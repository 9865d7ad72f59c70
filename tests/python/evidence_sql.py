"""Runs the SQL of models on a bare DuckDB, one table a model, without dbt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import duckdb
from rendering import ROOT, render_model


def _datediff(start: str, end: str, part: str) -> str:
    return f"datediff('{part}', {start}, {end})"


DBT = SimpleNamespace(datediff=_datediff)


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


def build(connection: duckdb.DuckDBPyConnection, models: Sequence[Path]) -> None:
    """Create a table for each model, in this order.

    Args:
        connection: where the tables that the models refer to are found by their plain names.
        models: files of the project.
    """
    for path in models:
        sql = render_model(str(path.relative_to(ROOT)), dbt=DBT)
        connection.execute(f"create or replace table {path.stem} as {sql}")
