"""What is packed for Superset fits the published file, and adds no customer up twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from published_files import PROJECT, published_demo, with_decoy

from pipeline.sentences import UserError
from pipeline.settings import Settings
from pipeline.superset_assets import assets, measures, sql_of, write

BI = PROJECT / "bi" / "superset"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project of its own, whose published folder holds the demo's warehouse."""
    warehouse = published_demo()
    shutil.copyfile(PROJECT / "dbt_project.yml", tmp_path / "dbt_project.yml")
    shutil.copytree(PROJECT / "bi", tmp_path / "bi")
    (tmp_path / "published").mkdir()
    shutil.copyfile(warehouse, tmp_path / "published" / "warehouse.duckdb")
    return Settings.from_environment({}, tmp_path)


def kind(files: dict[str, Any], folder: str) -> dict[str, Any]:
    return {name: asset for name, asset in files.items() if name.startswith(f"{folder}/")}


def answers(files: dict[str, Any], warehouse: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What every dataset's metrics and every chart come to over a file."""
    datasets = {asset["uuid"]: asset for asset in kind(files, "datasets").values()}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = {
            asset["table_name"]: connection.execute(sql_of(asset)).fetchall()
            for asset in datasets.values()
        }
        for name, chart in kind(files, "charts").items():
            sql = sql_of(datasets[chart["dataset_uuid"]], chart["params"])
            found[name] = connection.execute(sql).fetchall()
    return found


def test_the_bundle_is_what_superset_imports(settings: Settings, tmp_path: Path) -> None:
    write(settings, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        files = {name: yaml.safe_load(bundle.read(name)) for name in bundle.namelist()}
    assert {name.split("/")[0] for name in files} == {"segmart"}
    assert files["segmart/metadata.yaml"]["type"] == "assets"
    (database,) = (asset for name, asset in files.items() if "/databases/" in name)
    assert database["sqlalchemy_uri"] == f"duckdb:///{settings.published_folder}/warehouse.duckdb"
    assert database["extra"]["engine_params"]["connect_args"] == {"read_only": True}
    assert database["allow_dml"] is False
    for name, asset in files.items():
        if "/charts/" in name:
            (query,) = json.loads(asset["query_context"])["queries"]
            assert query["columns"] or query["metrics"], name
        if "/datasets/" in name:
            assert [one["column_name"] for one in asset["columns"] if not one["description"]] == []


def test_no_dataset_metric_or_chart_totals_across_segmentations(
    settings: Settings, tmp_path: Path
) -> None:
    files = assets(settings)
    alone = answers(files, settings.published_folder / "warehouse.duckdb")
    (tmp_path / "beside").mkdir()
    decoyed = with_decoy(settings.published_folder / "warehouse.duckdb", tmp_path / "beside")
    assert len(alone) > 12 and all(alone.values())
    assert answers(files, decoyed) == alone
    # And a dataset that forgets it does show the decoy.
    for asset in kind(files, "datasets").values():
        asset["sql"] = asset["sql"].split("where segmentation")[0]
    changed = {name for name, rows in answers(files, decoyed).items() if rows != alone[name]}
    assert {"segments", "segment_engagement", "charts/segment_sizes.yaml"} <= changed


def test_every_metric_of_a_rate_is_the_marts_own(settings: Settings) -> None:
    """A ratio of sums, cell by cell the number that stands in the mart."""
    files = assets(settings)
    datasets = {asset["table_name"]: asset for asset in kind(files, "datasets").values()}
    same = {
        ("segment_engagement", "click_through_rate"): ["segment_name", "ctr"],
        ("segment_channel_engagement", "click_through_rate"): ["segment_name", "channel", "ctr"],
        ("segment_month_engagement", "click_through_rate"): [
            "segment_name",
            "month_starts_on",
            "ctr",
        ],
        ("segment_product_ownership", "owners_share"): [
            "segment_name",
            "product",
            "ownership_rate",
        ],
        ("segment_transactions", "amount_by_customer"): [
            "segment_name",
            "transaction_type",
            "amount_per_customer",
        ],
    }
    with duckdb.connect(str(settings.published_folder / "warehouse.duckdb")) as connection:
        for (table, metric), (*cells, column) in same.items():
            params = {"groupby": cells, "metrics": [metric]}
            found = connection.execute(sql_of(datasets[table], params)).fetchall()
            wanted = connection.execute(
                f"select {', '.join(cells)}, {column} from ({datasets[table]['sql']}) order by all"
            ).fetchall()
            assert [row[:-1] for row in found] == [row[:-1] for row in wanted]
            assert [row[-1] for row in found] == pytest.approx([row[-1] for row in wanted])


def test_every_chart_is_on_the_dashboard_and_every_dataset_in_a_chart(settings: Settings) -> None:
    files = assets(settings)
    (dashboard,) = kind(files, "dashboards").values()
    cells = [cell for cell in dashboard["position"].values() if isinstance(cell, dict)]
    shown = {cell["meta"]["uuid"] for cell in cells if cell["type"] == "CHART"}
    charts = kind(files, "charts").values()
    assert shown == {chart["uuid"] for chart in charts}
    assert {chart["dataset_uuid"] for chart in charts} == {
        asset["uuid"] for asset in kind(files, "datasets").values()
    }


def test_rates_drawn_without_interval_leave_small_cells_out(settings: Settings) -> None:
    for name, chart in kind(assets(settings), "charts").items():
        params = chart["params"]
        if set(measures(params)) & {"click_through_rate", "owners_share", "amount_by_customer"}:
            (only,) = params["adhoc_filters"]
            assert (only["subject"], only["comparator"]) == ("is_small_cell", False), name
            assert "small cells left out" in chart["slice_name"], name
        elif any(column.endswith("_low") for column in params.get("all_columns", [])):
            assert "is_small_cell" in params["all_columns"], name


def test_a_renamed_column_is_a_sentence(settings: Settings) -> None:
    with duckdb.connect(str(settings.published_folder / "warehouse.duckdb")) as connection:
        connection.execute("alter table marts.segment_engagement rename ctr_low to lowest")
    with pytest.raises(UserError) as refused:
        assets(settings)
    sentence = str(refused.value)
    assert sentence.startswith("bi/superset/charts/clicks_by_segment.yaml does not fit the publis")
    assert "ctr_low" in sentence and "\n" not in sentence


def test_a_metric_nobody_defined_is_a_sentence(settings: Settings) -> None:
    chart = settings.root / "bi" / "superset" / "charts" / "clicks_by_month.yaml"
    chart.write_text(chart.read_text().replace("click_through_rate", "clicks_by_moon"))
    with pytest.raises(UserError, match="metric clicks_by_moon, which the dataset segment_month"):
        assets(settings)


def test_the_command_says_where_the_bundle_is_or_what_is_missing(settings: Settings) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeline.superset_assets"],
            cwd=settings.root,
            env={"PYTHONPATH": str(PROJECT), "PWD": str(settings.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0 and done.stdout.startswith("target/superset_assets.zip: import it")
    (settings.published_folder / "warehouse.duckdb").unlink()
    refused = run()
    assert refused.returncode == 1
    assert refused.stderr == "There is no published/warehouse.duckdb; run `make build` first.\n"
