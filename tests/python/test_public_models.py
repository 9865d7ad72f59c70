"""What others may build on is said model by model: access, owner, contract, readers, versions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import copy_project
from published_files import PROJECT
from test_docs import Manifest, manifest  # noqa: F401

from pipeline.publish import AGGREGATE_SCHEMAS

TABLE = re.compile(r"\b(?:from|join) (?:marts|evidence|health)\.(\w+)")


@pytest.fixture(scope="module")
def models(manifest: Manifest) -> list[dict[str, Any]]:  # noqa: F811
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def read_by(manifest: Manifest, exposure: str) -> set[str]:  # noqa: F811
    """The names of the models an exposure depends on, each in its latest version."""
    return {
        unique_id.split(".")[2]
        for unique_id in manifest["exposures"][f"exposure.segmart.{exposure}"]["depends_on"][
            "nodes"
        ]
    }


def test_what_is_published_for_everybody_is_public_and_nothing_else(
    models: list[dict[str, Any]],
) -> None:
    assert sorted(
        f"{model['schema']}.{model['alias']}" for model in models if model["access"] == "public"
    ) == sorted(
        f"{model['schema']}.{model['alias']}"
        for model in models
        if model["schema"] in AGGREGATE_SCHEMAS
    )


def test_what_was_received_and_rejected_is_of_its_group_alone(
    models: list[dict[str, Any]],
) -> None:
    private = {model["schema"] for model in models if model["access"] == "private"}
    assert private == {"received", "quarantine"}
    assert {model["group"] for model in models if model["access"] == "private"} == {"intake"}


def test_every_model_has_a_group_and_every_group_an_owner(
    manifest: Manifest,  # noqa: F811
    models: list[dict[str, Any]],
) -> None:
    owners = {group["name"]: group["owner"]["name"] for group in manifest["groups"].values()}
    assert {model["group"] for model in models} == set(owners)
    assert all(owners.values())


def test_every_public_model_of_sql_has_a_contract(models: list[dict[str, Any]]) -> None:
    """dbt has none for Python; test_published_columns holds those to their types."""
    assert [
        model["unique_id"]
        for model in models
        if model["access"] == "public"
        and model["language"] == "sql"
        and not model["contract"]["enforced"]
    ] == []


def test_every_column_of_a_public_model_has_a_meaning_and_a_type(
    models: list[dict[str, Any]],
) -> None:
    columns = [
        (model["alias"], column)
        for model in models
        if model["access"] == "public"
        for column in model["columns"].values()
    ]
    assert len(columns) > 1000
    assert [
        (alias, column["name"])
        for alias, column in columns
        if not column["description"].strip() or not column["data_type"]
    ] == []


def test_the_exposures_are_what_their_readers_read(manifest: Manifest) -> None:  # noqa: F811
    first_look = (PROJECT / "examples" / "first_look.sql").read_text(encoding="utf-8")
    assert read_by(manifest, "first_look") == set(TABLE.findall(first_look))
    datasets = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (PROJECT / "bi" / "superset" / "datasets").rglob("*.yaml")
    ]
    queried = {table for dataset in datasets for table in TABLE.findall(dataset["sql"])}
    assert {dataset["table_name"] for dataset in datasets} <= queried
    assert read_by(manifest, "superset_dashboard") == queried


def test_the_published_tables_are_an_exposure(
    manifest: Manifest,  # noqa: F811
    models: list[dict[str, Any]],
) -> None:
    public = {model["name"] for model in models if model["access"] == "public"}
    assert read_by(manifest, "published_tables") == public


def test_an_older_version_keeps_its_address_until_a_day_that_is_said(
    models: list[dict[str, Any]],
) -> None:
    versioned = [model for model in models if model["version"] is not None]
    old = [model for model in versioned if model["version"] != model["latest_version"]]
    assert old
    for model in old:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T.*", model["deprecation_date"]), model["unique_id"]
        assert "deprecation date" in model["description"]
    for model in versioned:
        if model["version"] == model["latest_version"]:
            assert model["deprecation_date"] is None
    addresses = [f"{model['schema']}.{model['alias']}" for model in versioned]
    assert len(set(addresses)) == len(addresses)


def test_nothing_of_the_project_reads_what_will_be_gone(models: list[dict[str, Any]]) -> None:
    old = [f"{model['schema']}.{model['alias']}" for model in models if model["deprecation_date"]]
    read = re.compile(rf"\b({'|'.join(map(re.escape, old))})\b")
    readers = [
        path
        for folder in ("bi", "dashboard", "examples", "pipeline")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".yaml", ".yml")
    ]
    assert len(readers) > 50
    assert [path.name for path in readers if read.search(path.read_text(encoding="utf-8"))] == []


def test_versions_of_recommendations_differ_in_one_name(models: list[dict[str, Any]]) -> None:
    columns = {
        model["version"]: set(model["columns"])
        for model in models
        if model["name"] == "recommendations"
    }
    assert columns[1] - columns[2] == {"rests_on"}
    assert columns[2] - columns[1] == {"claim_ids"}


@pytest.mark.full
def test_a_mart_of_rejected_rows_does_not_even_parse(tmp_path: Path) -> None:
    copy_project(tmp_path / "project")
    model = tmp_path / "project" / "models" / "marts" / "segments" / "rejects.sql"
    model.write_text("select * from {{ ref('rejected_rows') }}\n", encoding="utf-8")
    refused = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "parse"],
        cwd=tmp_path / "project",
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "referenced node is private to the 'intake' group" in refused.stdout
