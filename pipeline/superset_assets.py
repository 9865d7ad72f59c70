"""Pack what Apache Superset imports: `make superset-assets`.

The YAML in `bi/superset` says which marts are datasets, which figures they have and what the
dashboard shows. Columns, their types and their meanings are the published file's own, and are
filled in here, as is the file's place; each dataset, metric and chart is tried on the published
file, so that what Superset is given does not fail there.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import yaml  # type: ignore[import-untyped]

from pipeline import sentences
from pipeline.publish import WAREHOUSE
from pipeline.sentences import UserError
from pipeline.settings import Settings, absolute_path
from pipeline.sql_text import literal

FOLDER = Path("bi") / "superset"
PACKED = Path("target") / "superset_assets.zip"

Asset = dict[str, Any]


def main() -> None:
    """Write the bundle and say where it is."""
    settings = Settings.from_environment()
    bundle = absolute_path(os.environ.get("OUT", "").strip() or str(PACKED), settings.root)
    write(settings, bundle)
    print(f"{settings.shown(bundle)}: import it in Superset, or POST it to /api/v1/assets/import/.")


def write(settings: Settings, bundle: Path) -> None:
    """Write the zip that Superset imports; raises UserError where the published file has not it."""
    files = assets(settings)
    try:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, asset in files.items():
                text = yaml.safe_dump(asset, sort_keys=False, allow_unicode=True)
                archive.writestr(f"segmart/{name}", text)
    except OSError as error:
        shown = settings.shown(bundle)
        raise UserError(f"{shown} cannot be written: {sentences.of_os_error(error)}.") from error


def assets(settings: Settings) -> dict[str, Asset]:
    """File name to content of every asset, complete, for this published folder."""
    warehouse = settings.published_folder / WAREHOUSE
    if not warehouse.is_file():
        raise UserError(f"There is no {settings.shown(warehouse)}; run `make build` first.")
    files = {
        str(path.relative_to(settings.root / FOLDER)): _read(path, warehouse)
        for path in sorted((settings.root / FOLDER).rglob("*.yaml"))
    }
    try:
        with duckdb.connect(str(warehouse), read_only=True) as published:
            datasets = {
                asset["uuid"]: _with_columns(published, name, asset)
                for name, asset in files.items()
                if name.startswith("datasets/")
            }
            for name, asset in files.items():
                if name.startswith("charts/"):
                    dataset = datasets[asset["dataset_uuid"]]
                    asset["query_context"] = json.dumps(query_context(asset["params"]))
                    _try(published, name, dataset, asset["params"])
    except duckdb.IOException as error:
        reason = sentences.one_line(str(error))
        raise UserError(f"{settings.shown(warehouse)} cannot be read ({reason}).") from error
    return files


def query_context(params: Mapping[str, Any]) -> Asset:
    """What a chart asks of its dataset, as Superset's chart API keeps it.

    Superset writes this only when a chart is saved in the browser; a chart without it shows on a
    dashboard, but has no `/api/v1/chart/<id>/data/`.
    """
    query: Asset = {
        "columns": dimensions(params),
        "metrics": measures(params) or None,
        "filters": [
            {"col": item["subject"], "op": item["operator"], "val": item["comparator"]}
            for item in params.get("adhoc_filters", [])
        ],
        "orderby": [json.loads(item) for item in params.get("order_by_cols", [])],
        "row_limit": params["row_limit"],
    }
    return {
        "datasource": {},
        "force": False,
        "queries": [query],
        "form_data": dict(params),
        "result_format": "json",
        "result_type": "full",
    }


def dimensions(params: Mapping[str, Any]) -> list[str]:
    """The columns a chart shows or groups by."""
    axis = [params["x_axis"]] if "x_axis" in params else []
    return [*params.get("all_columns", []), *axis, *params.get("groupby", [])]


def measures(params: Mapping[str, Any]) -> list[str]:
    """The metrics of its dataset that a chart shows."""
    return [*params.get("metrics", []), *([params["metric"]] if "metric" in params else [])]


def sql_of(dataset: Asset, params: Mapping[str, Any] | None = None) -> str:
    """The SQL a chart comes to; without a chart, every metric over the whole dataset."""
    expressions = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
    params = params or {"metrics": list(expressions)}
    named = [f"{expressions[name]} as {name}" for name in measures(params)]
    groups = f" group by {', '.join(dimensions(params))}" if named and dimensions(params) else ""
    wheres = " and ".join(
        f"{item['subject']} = {_literal(item['comparator'])}"
        for item in params.get("adhoc_filters", [])
    )
    return (
        f"select {', '.join([*dimensions(params), *named])} from ({dataset['sql']}) as dataset"
        f"{f' where {wheres}' if wheres else ''}{groups} order by all"
    )


def _read(path: Path, warehouse: Path) -> Asset:
    text = Template(path.read_text(encoding="utf-8")).substitute(warehouse=warehouse)
    asset: Asset = yaml.safe_load(text)
    return asset


def _with_columns(published: duckdb.DuckDBPyConnection, name: str, dataset: Asset) -> Asset:
    """The dataset with its columns: what the SQL returns, as the published file describes it."""
    try:
        described = published.execute(f"describe {dataset['sql']}").fetchall()
        published.execute(sql_of(dataset))
    except duckdb.Error as error:
        raise _unfit(name, error) from error
    comments = dict(
        published.execute(
            "select column_name, comment from duckdb_columns() where not internal "
            "and schema_name = ? and table_name = ?",
            [dataset["schema"], dataset["table_name"]],
        ).fetchall()
    )
    dataset["columns"] = [
        {
            "column_name": column,
            "type": kind,
            "is_dttm": kind == "DATE",
            "groupby": kind in ("VARCHAR", "BOOLEAN", "DATE", "BIGINT"),
            "filterable": True,
            "description": comments.get(column),
        }
        for column, kind, *_ in described
    ]
    return dataset


def _try(
    published: duckdb.DuckDBPyConnection, name: str, dataset: Asset, params: Mapping[str, Any]
) -> None:
    known = {metric["metric_name"] for metric in dataset["metrics"]}
    if missing := sorted(set(measures(params)) - known):
        raise UserError(
            f"{FOLDER / name} asks for the metric {missing[0]}, which the dataset "
            f"{dataset['table_name']} has not; name one of {', '.join(sorted(known))}."
        )
    try:
        published.execute(sql_of(dataset, params))
    except duckdb.Error as error:
        raise _unfit(name, error) from error


def _unfit(name: str, error: duckdb.Error) -> UserError:
    reason = str(error).splitlines()[0].rstrip(".!")
    return UserError(
        f"{FOLDER / name} does not fit the published file ({reason}); correct the one, or run "
        "`make build` to renew the other."
    )


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return literal(value)


if __name__ == "__main__":
    sentences.run(main, "make superset-assets")
