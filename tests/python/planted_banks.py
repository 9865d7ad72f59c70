"""Generated banks as raw tables of a bare DuckDB, many side by side."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd

from benchmarks.generate import blocks
from benchmarks.tables import write_parquet
from benchmarks.world import Config


def add_bank(connection: duckdb.DuckDBPyConnection, seed: int, prefix: str = "") -> pd.DataFrame:
    """Add a generated demo's rows to the raw tables; returns its customers with their group."""
    config = Config(seed=seed, clean=True)
    (block,) = blocks(config)
    with TemporaryDirectory() as folder:
        for entity, table in block.tables.items():
            if "customer_id" in table:
                file = Path(folder) / f"{entity}.parquet"
                write_parquet(file, table, connection)
                rows = f"select * replace ('{prefix}' || customer_id as customer_id) from '{file}'"
                connection.execute(f"create table if not exists raw_{entity} as {rows} limit 0")
                connection.execute(f"insert into raw_{entity} {rows}")
    ids = [f"{prefix}C{number:0{config.customer_width}d}" for number in block.people.number]
    return pd.DataFrame({"customer_id": ids, "group": block.people.group})
