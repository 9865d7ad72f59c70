"""Names and types of the published columns are ones that every BI tool takes without quoting."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import sqlalchemy
import yaml
from published_files import PROJECT, primary_segmentation, published_demo

PLAIN = re.compile(r"[a-z][a-z0-9_]*")
LONGEST_NAME = 63  # PostgreSQL cuts what is longer

# The words that cannot name a column there without quotes. DuckDB lists its own.
POSTGRESQL_RESERVED = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check
collate collation column concurrently constraint create cross current_catalog current_date
current_role current_schema current_time current_timestamp current_user default deferrable desc
distinct do else end except false fetch for foreign freeze from full grant group having ilike in
initially inner intersect into is isnull join lateral leading left like limit localtime
localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
references returning right select session_user similar some symmetric system_user table tablesample
then to trailing true union unique user using variadic verbose when where window with
"""
# With ANSI mode, which Spark 4 begins in.
SPARK_RESERVED = """
all and anti any array as at authorization both case cast check collate column constraint create
cross cube current current_date current_time current_timestamp current_user distinct drop else end
escape except exists external extract false fetch filter for foreign from full function global grant
group grouping having in inner insert intersect interval into is join lateral leading left like
limit local natural no not null of offset on only or order out outer overlaps partition position
primary range references revoke right rollback rollup row rows select semi session_user set some
start sum table tablesample then time to trailing true truncate union unique unknown update user
using values when where window with within
"""
# What a BI tool may call a measure itself, and what other warehouses reserve.
ELSEWHERE_RESERVED = "count date day hour index key month number percent rank timestamp value year"

# Types every reader has: DuckDB's name to the YAML's.
TYPES = {
    "BIGINT": "bigint",
    "VARCHAR": "string",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DECIMAL(18,2)": "decimal(18,2)",
    "DECIMAL(38,2)": "decimal(38,2)",
}


@pytest.fixture(scope="module")
def warehouse() -> Path:
    return published_demo()


def query(warehouse: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def columns(warehouse: Path) -> list[tuple[str, str, str, str]]:
    """Schema, table, column and type of everything published."""
    found = query(
        warehouse,
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where not internal order by table_oid, column_index",
    )
    assert len(found) > 1000
    return found  # type: ignore[return-value]


def reserved(warehouse: Path) -> set[str]:
    own = "select keyword_name from duckdb_keywords() where keyword_category != 'unreserved'"
    words = " ".join([POSTGRESQL_RESERVED, SPARK_RESERVED, ELSEWHERE_RESERVED])
    return {*words.split(), *(word for (word,) in query(warehouse, own))}


def test_names_are_plain_words(columns: list[tuple[str, str, str, str]]) -> None:
    names = {name for schema, table, column, _ in columns for name in (schema, table, column)}
    assert [name for name in names if not PLAIN.fullmatch(name)] == []
    assert [name for name in names if len(name) > LONGEST_NAME] == []


def test_no_name_is_a_reserved_word(
    columns: list[tuple[str, str, str, str]], warehouse: Path
) -> None:
    words = reserved(warehouse)
    assert {"select", "window", "user", "sum", "month"} <= words and len(words) > 150
    names = {name for schema, table, column, _ in columns for name in (schema, table, column)}
    assert sorted(names & words) == []


def test_every_type_is_one_that_all_readers_have(
    columns: list[tuple[str, str, str, str]],
) -> None:
    assert sorted({kind for *_, kind in columns} - set(TYPES)) == []


def test_dates_are_dates_and_flags_are_flags(columns: list[tuple[str, str, str, str]]) -> None:
    ends = re.compile(r"_(on|starts_after)$")
    begins = re.compile(r"(is|has|was)_")
    no_date = {"rests_on"}  # of the version of recommendations that goes for this name
    for schema, table, column, kind in columns:
        where = f"{schema}.{table}.{column}"
        assert (kind == "DATE") == bool(ends.search(column) and column not in no_date), where
        assert kind == "BOOLEAN" or not begins.match(column), where
        is_count = column.endswith("_count") and not column.startswith("expected_")
        assert kind == "BIGINT" or not is_count, where
        assert kind != "VARCHAR" or not column.endswith(("_rate", "_amount", "_share")), where


def test_a_column_of_one_name_has_one_type(columns: list[tuple[str, str, str, str]]) -> None:
    kinds: dict[str, set[str]] = {}
    for *_, column, kind in columns:
        kinds.setdefault(column, set()).add(kind)
    assert {column: found for column, found in kinds.items() if len(found) > 1} == {}


def test_every_type_is_the_one_the_yaml_promises(
    columns: list[tuple[str, str, str, str]],
) -> None:
    """Contracts hold this for SQL models; for those of Python this does."""
    promised = {
        (alias, column["name"]): column.get("data_type")
        for folder in ("models", "python_models")
        for path in (PROJECT / folder).rglob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
        for version in model.get("versions", [{}])
        for alias in [version.get("config", {}).get("alias", model["name"])]
        for column in [*model.get("columns", []), *version.get("columns", [])]
        if "name" in column
    }
    assert [
        (table, column, kind, promised.get((table, column)))
        for _, table, column, kind in columns
        if TYPES[kind] != promised.get((table, column))
    ] == []


def test_sqlalchemy_and_pandas_read_the_numbers_of_the_mart(warehouse: Path) -> None:
    """As a notebook does: no option but the one that lets others read and publish meanwhile."""
    engine = sqlalchemy.create_engine(f"duckdb:///{warehouse}", connect_args={"read_only": True})
    sql = sqlalchemy.text(
        "select * from marts.segment_month_engagement where segmentation = :segmentation "
        "order by segment_id, month_starts_on"
    )
    with engine.connect() as connection:
        frame = pd.read_sql(sql, connection, params={"segmentation": primary_segmentation()})
        tables = sqlalchemy.inspect(engine).get_table_names(schema="marts")
        described = sqlalchemy.inspect(engine).get_columns("segments", schema="marts")
    engine.dispose()
    expected = query(
        warehouse,
        "select segment_id, month_starts_on, click_count, ctr from marts.segment_month_engagement "
        f"where segmentation = '{primary_segmentation()}' order by segment_id, month_starts_on",
    )
    assert len(frame) == len(expected) > 10
    assert list(frame["click_count"]) == [row[2] for row in expected]
    assert list(frame["ctr"]) == [row[3] for row in expected]
    assert pd.api.types.is_datetime64_any_dtype(pd.to_datetime(frame["month_starts_on"]))
    assert "segment_engagement" in tables
    assert {column["name"]: column["type"].python_type.__name__ for column in described}[
        "fitted_as_of_on"
    ] == "date"


def test_comments_travel_with_the_columns(warehouse: Path) -> None:
    """What the dbt docs say of a column, a BI tool shows beside it."""
    bare = query(
        warehouse,
        "select table_name, column_name from duckdb_columns() where not internal "
        "and schema_name in ('marts', 'health', 'evidence') and comment is null",
    )
    assert bare == []
    assert json.dumps(query(warehouse, "select comment from duckdb_tables()")).count("One row") > 40
