"""Runs the SQL of models on a bare DuckDB, one table a model, without dbt."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import duckdb
from rendering import ROOT, render_model


def _datediff(start: str, end: str, part: str) -> str:
    return f"datediff('{part}', {start}, {end})"


DBT = SimpleNamespace(datediff=_datediff, type_string=lambda: "varchar")


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
