"""What people read marts with, each as its own program, gives the numbers of the published file."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest
from published_files import PROJECT, PUBLISHED, primary_segmentation, published_demo

CLIENTS = PROJECT / ".venv-bi" / "clients" / "bin"
PARQUET = PUBLISHED / "parquet" / "latest"
QUERY = f"""
select segment_id, segment_name, reached_customer_count, ctr
from marts.segment_engagement
where segmentation = '{primary_segmentation()}'
order by segment_id
"""

# Each reads the warehouse file or the Parquet folder, named first and second, and prints JSON.
PRINT_ARROW = "import json, sys; print(json.dumps([list(r.values()) for r in table.to_pylist()]))"
ADBC_OPTIONS = (
    "driver=adbc_driver_duckdb.driver_path(), entrypoint='duckdb_adbc_init', "
    "db_kwargs={'path': sys.argv[1], 'access_mode': 'READ_ONLY'}, autocommit=True"
)
PROGRAMS = {
    "arrow": f"""
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    table = connection.sql({QUERY!r}).to_arrow_table()
{PRINT_ARROW}
""",
    "adbc": f"""
import sys
import adbc_driver_duckdb
from adbc_driver_manager import dbapi
with dbapi.connect({ADBC_OPTIONS}) as connection, connection.cursor() as cursor:
    cursor.execute({QUERY!r})
    table = cursor.fetch_arrow_table()
{PRINT_ARROW}
""",
    "polars": f"""
import json, sys
import polars
print(json.dumps([list(row) for row in (
    polars.scan_parquet(sys.argv[2] + "/marts/segment_engagement.parquet")
    .filter(polars.col("segmentation") == {primary_segmentation()!r})
    .sort("segment_id")
    .select("segment_id", "segment_name", "reached_customer_count", "ctr")
    .collect().rows()
)]))
""",
    "pyarrow": f"""
import sys
import pyarrow.dataset
table = pyarrow.dataset.dataset(sys.argv[2] + "/marts/segment_engagement.parquet").to_table(
    columns=["segment_id", "segment_name", "reached_customer_count", "ctr"],
    filter=pyarrow.dataset.field("segmentation") == {primary_segmentation()!r},
).sort_by("segment_id")
{PRINT_ARROW}
""",
}
TYPES = """
import json, sys
from pathlib import Path
import polars
import pyarrow.parquet
print(json.dumps({
    f"{path.parent.name}.{path.stem}": {
        "rows": polars.scan_parquet(path).select(polars.len()).collect().item(),
        "types": {
            field.name: str(field.type) for field in pyarrow.parquet.read_schema(path)
        },
        "kinds": {name: str(kind) for name, kind in polars.read_parquet_schema(path).items()},
    }
    for path in sorted(Path(sys.argv[2]).glob("*/*.parquet"))
}))
"""


@pytest.fixture(scope="module")
def warehouse() -> Path:
    if not (CLIENTS / "duckdb").exists():
        pytest.skip(".venv-bi/clients is not there; make test-bi installs it.")
    return published_demo()


def rows(query: str, warehouse: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


def printed(program: str, warehouse: Path) -> Any:
    finished = subprocess.run(
        [CLIENTS / "python", "-c", program, warehouse, PARQUET],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_reads_the_numbers_of_the_mart(client: str, warehouse: Path) -> None:
    expected = [list(row) for row in rows(QUERY, warehouse)]
    assert len(expected) > 1
    assert printed(PROGRAMS[client], warehouse) == expected


def command_line(warehouse: Path, style: str, sql: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CLIENTS / "duckdb", "-init", "/dev/null", "-readonly", style, warehouse, sql],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_duckdb_command_line_reads_the_numbers_of_the_mart(warehouse: Path) -> None:
    finished = command_line(warehouse, "-json", QUERY)
    assert finished.returncode == 0, finished.stderr
    found = [tuple(row.values()) for row in json.loads(finished.stdout)]
    assert found == rows(QUERY, warehouse)


def test_the_duckdb_command_line_runs_the_first_look(warehouse: Path) -> None:
    script = PROJECT / "examples" / "first_look.sql"
    finished = command_line(warehouse, "-csv", f".read {script}")
    assert finished.returncode == 0 and finished.stderr == ""
    assert finished.stdout.count("segment_name,") == 6


def test_two_clients_and_a_command_line_read_at_once(warehouse: Path) -> None:
    """A reader that keeps the file open keeps nobody else out."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        expected = [list(row) for row in connection.execute(QUERY).fetchall()]
        assert printed(PROGRAMS["adbc"], warehouse) == expected
        assert command_line(warehouse, "-json", QUERY).returncode == 0


def of_pyarrow(kind: str) -> str:
    """What pyarrow calls a type of DuckDB's."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return f"decimal128({decimal[1]}, {decimal[2]})"
    names = {"BIGINT": "int64", "VARCHAR": "string", "DOUBLE": "double", "DATE": "date32[day]"}
    return {**names, "BOOLEAN": "bool"}[kind]


def of_polars(kind: str) -> str:
    """What polars calls a type of DuckDB's."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return f"Decimal(precision={decimal[1]}, scale={decimal[2]})"
    names = {"BIGINT": "Int64", "VARCHAR": "String", "DOUBLE": "Float64", "DATE": "Date"}
    return {**names, "BOOLEAN": "Boolean"}[kind]


def test_every_parquet_file_has_its_tables_rows_and_types(warehouse: Path) -> None:
    """Dates are dates and amounts are decimals to pyarrow and polars too; nothing is an object."""
    found = printed(TYPES, warehouse)
    tables = rows("select schema_name, table_name from duckdb_tables() order by all", warehouse)
    assert sorted(found) == sorted(f"{schema}.{name}" for schema, name in tables)
    for schema, name in tables:
        its = found[f"{schema}.{name}"]
        assert its["rows"] == rows(f"select count(*) from {schema}.{name}", warehouse)[0][0]
        kinds: dict[str, str] = dict(
            rows(
                "select column_name, data_type from duckdb_columns() where not internal "
                f"and schema_name = '{schema}' and table_name = '{name}'",
                warehouse,
            )
        )
        assert its["types"] == {column: of_pyarrow(kind) for column, kind in kinds.items()}
        assert its["kinds"] == {column: of_polars(kind) for column, kind in kinds.items()}
