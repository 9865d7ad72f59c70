"""Every model, seed, column and macro is described, and every description is written once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml  # type: ignore[import-untyped]

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = "segmart"

# segmentation_inputs has as many of these as the widest specification has features.
NUMBERED = {r"natural_\d+": "natural_value", r"value_\d+": "transformed_value"}

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return what dbt knows of the project, without touching its own target folder."""
    target = tmp_path_factory.mktemp("target")
    run = subprocess.run(
        [
            Path(sys.executable).parent / "dbt",
            "parse",
            "--target-path",
            target,
            "--log-path",
            target,
        ],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "RAW_DATA"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    parsed: Manifest = json.loads((target / "manifest.json").read_text())
    return parsed


def tables(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the models and seeds."""
    kinds = ("model", "seed")
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def own_macros(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the macros of the project, generic tests among them."""
    macros = manifest["macros"].values()
    return [macro for macro in macros if macro["package_name"] == PACKAGE]


def doc_blocks(manifest: Manifest) -> dict[str, str]:
    """Return name to text of the doc blocks of the project."""
    blocks = manifest["docs"].values()
    own = [block for block in blocks if block["package_name"] == PACKAGE]
    return {block["name"]: block["block_contents"].strip() for block in own}


def doc_name(column: str) -> str:
    """Return the name of the doc block that holds a column's meaning."""
    for pattern, name in NUMBERED.items():
        if re.fullmatch(pattern, column):
            return name
    return column


def written_columns() -> list[tuple[str, str, str]]:
    """Return file, column and description as the YAML has them, before dbt fills in doc blocks."""
    folders = ("models", "python_models", "seeds")
    files = [path for folder in folders for path in sorted((PROJECT / folder).rglob("*.yml"))]
    return [
        (path.name, column["name"], column.get("description", ""))
        for path in files
        for kind in ("models", "seeds")
        for table in yaml.safe_load(path.read_text()).get(kind, [])
        for column in table.get("columns", [])
    ]


def test_every_model_and_seed_is_described(manifest: Manifest) -> None:
    assert len(tables(manifest)) > 60
    assert [table["name"] for table in tables(manifest) if not table["description"].strip()] == []


def test_every_model_and_seed_begins_with_its_grain(manifest: Manifest) -> None:
    assert [
        table["name"]
        for table in tables(manifest)
        if not table["description"].startswith("One row")
    ] == []


def test_every_model_and_seed_lists_its_columns(manifest: Manifest) -> None:
    assert [table["name"] for table in tables(manifest) if not table["columns"]] == []


def test_every_column_is_described(manifest: Manifest) -> None:
    assert [
        f"{table['name']}.{column['name']}"
        for table in tables(manifest)
        for column in table["columns"].values()
        if not column["description"].strip()
    ] == []


def test_a_columns_meaning_is_the_doc_block_of_its_name() -> None:
    """Or its own text, where no other table has the column: written once all the same."""
    columns = written_columns()
    assert len(columns) > 700
    tables_with = Counter(column for _, column, _ in columns)
    assert [
        f"{file}: {column}"
        for file, column, description in columns
        if description != "{{ doc('" + doc_name(column) + "') }}"
        and (tables_with[column] > 1 or not description or "doc(" in description)
    ] == []


def test_every_doc_block_is_used(manifest: Manifest) -> None:
    used = {doc_name(column) for _, column, _ in written_columns()}
    assert sorted(set(doc_blocks(manifest)) - used) == []


def test_every_macro_and_its_arguments_are_described(manifest: Manifest) -> None:
    macros = own_macros(manifest)
    assert len(macros) > 100
    assert [macro["name"] for macro in macros if not macro["description"].strip()] == []
    assert [
        f"{macro['name']}.{argument['name']}"
        for macro in macros
        for argument in macro["arguments"]
        if not (argument["description"] or "").strip() or not argument["type"]
    ] == []


def test_macro_arguments_are_those_of_the_macro(manifest: Manifest) -> None:
    for macro in own_macros(manifest):
        listed = [argument["name"] for argument in macro["arguments"]]
        name = macro["name"]
        signature = re.search(r"\{%-?\s*(?:macro|test)\s+\w+\((.*?)\)\s*-?%\}", macro["macro_sql"])
        if not signature:
            assert name.startswith("materialization_"), name
            continue
        taken = [
            part.split("=")[0].strip() for part in signature.group(1).split(",") if part.strip()
        ]
        assert listed == taken, name


def test_no_description_is_written_twice(manifest: Manifest) -> None:
    texts = [table["description"] for table in tables(manifest)]
    texts += [macro["description"] for macro in own_macros(manifest)]
    texts += list(doc_blocks(manifest).values())
    counts = Counter(re.sub(r"\s+", " ", text).strip() for text in texts)
    assert [text for text, count in counts.items() if count > 1] == []


def test_descriptions_name_vars_that_exist(manifest: Manifest) -> None:
    known = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    texts = [table["description"] for table in tables(manifest)]
    texts += [macro["description"] for macro in own_macros(manifest)]
    texts += list(doc_blocks(manifest).values())
    named = {name for text in texts for name in re.findall(r"\bvar ([a-z_]+)", text)}
    assert len(named) > 10
    assert sorted(named - set(known)) == []


def test_every_column_of_the_warehouse_is_listed(manifest: Manifest, tmp_path: Path) -> None:
    """What a model or seed has and what its YAML lists are the same columns."""
    built = PROJECT / "build" / "dev" / "demo" / "warehouse.duckdb"
    if not built.exists():
        pytest.skip("build/dev/demo/warehouse.duckdb is not there; dbt build makes it.")
    connection = duckdb.connect()
    try:
        connection.execute(f"attach '{built}' as built (read_only)")
    except duckdb.IOException as error:
        pytest.skip(f"the build file is in use: {error}")
    found: dict[str, set[str]] = {}
    for schema, table, column in connection.sql(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where database_name = 'built'"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", set()).add(column)
    connection.close()
    differences = {}
    for table in tables(manifest):
        has = found.get(f"{table['schema']}.{table['alias']}")
        lists = set(table["columns"])
        if has is None:
            continue
        # A specification with more features widens the table; its YAML need not know.
        has, lists = (
            {
                column
                for column in columns
                if not any(re.fullmatch(name, column) for name in NUMBERED)
            }
            for columns in (has, lists)
        )
        # A seed lists what the contract knows; optional columns need not be in the demo.
        missing = set() if table["resource_type"] == "seed" else lists - has
        if has - lists or missing:
            differences[table["name"]] = (sorted(has - lists), sorted(missing))
    assert differences == {}
