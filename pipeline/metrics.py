"""Ask the published files for metrics, through MetricFlow: `make metrics`.

The definitions are those of `models/semantic/`; the numbers are of `published/warehouse.duckdb`
and, where a metric adds up customers one by one, of `published/customers.duckdb`. Both are only
read.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from pipeline import sentences
from pipeline.sentences import UserError
from pipeline.settings import Settings
from pipeline.sql_text import literal

WAREHOUSE = "warehouse"
CUSTOMERS = "customers"
# In the published folder the tables of schema customers are in schema main of a file of that name.
PUBLISHED_CUSTOMERS = {"database": CUSTOMERS, "schema_name": "main"}
SEGMENTATION = "segment__segmentation"
EVERY_SEGMENTATION = "all"
METRIC_TIME = "metric_time"
SEMANTIC_MANIFEST = Path("target", "semantic_manifest.json")


@dataclass(frozen=True)
class Metric:
    """A metric as its YAML has it.

    `agrees_with` holds mart columns as mart.column, `where` the values that choose the mart's rows,
    `needs` the columns without which the metric's cells may not be added up. `time` is the column
    that MetricFlow calls metric_time.
    """

    name: str
    label: str
    description: str
    agrees_with: tuple[str, ...]
    where: Mapping[str, str]
    needs: tuple[str, ...]
    time: str


@dataclass(frozen=True)
class Answer:
    """Rows in the order of `columns`: what was grouped by, then the metrics.

    `segmentation` is the one the rows are of, None where all are shown or none is meant.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    segmentation: str | None


class Metrics:
    """The metrics of one published folder; `open_metrics` makes one."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        manifest: Mapping[str, Any],
        primary_segmentation: str,
    ) -> None:
        """Over a connection that has the published files as `warehouse` and `customers`."""
        from metricflow.engine.metricflow_engine import MetricFlowEngine
        from metricflow.protocols.sql_client import SqlEngine
        from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
        from metricflow_semantics.model.dbt_manifest_parser import (
            parse_manifest_from_dbt_generated_manifest,
        )
        from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

        self._connection = connection
        self._primary = primary_segmentation
        self.metrics = _metrics(manifest)
        # MetricFlow only writes the SQL; it needs no more of its client than the dialect.
        client: Any = SimpleNamespace(
            sql_engine_type=SqlEngine.DUCKDB, sql_plan_renderer=DuckDbSqlPlanRenderer()
        )
        parsed = parse_manifest_from_dbt_generated_manifest(json.dumps(manifest))
        self._engine = MetricFlowEngine(SemanticManifestLookup(parsed), client)

    def dimensions(self, metrics: Sequence[str]) -> tuple[str, ...]:
        """What all of `metrics` can be grouped by.

        Raises UserError for a name that is no metric.
        """
        for name in metrics:
            if name not in self.metrics:
                raise UserError(
                    f"There is no metric {name}; there are {', '.join(sorted(self.metrics))}."
                )
        names = [*metrics]
        found = {entity.name for entity in self._engine.entities_for_metrics(names)}
        for dimension in self._engine.simple_dimensions_for_metrics(names, ()):
            if dimension.dunder_name.startswith(f"{METRIC_TIME}__"):
                found.add(METRIC_TIME)
            # The as-of date is the same everywhere, and metric_time says it.
            elif not dimension.dunder_name.endswith("__as_of_on"):
                found.add(dimension.dunder_name)
        return tuple(sorted(found))

    def segmentations(self) -> tuple[str, ...]:
        """The segmentations that are published, by name."""
        rows = self._run("select distinct segmentation from marts.segments order by 1").fetchall()
        return tuple(str(row[0]) for row in rows)

    def sql(
        self, metrics: Sequence[str], by: Sequence[str] = (), segmentation: str = ""
    ) -> tuple[str, tuple[str, ...], str | None]:
        """The SQL that answers, its columns, and the segmentation it is about.

        Args:
            metrics: names of metrics.
            by: names of dimensions or entities; the part after the last __ will do where it is
                unique.
            segmentation: a segmentation's name, or all; by default var primary_segmentation.

        Raises UserError, in a sentence, for what cannot be answered.
        """
        from metricflow.engine.metricflow_engine import (
            MetricFlowQueryRequest,
            OutputColumnOrderMode,
        )

        if not metrics:
            raise UserError("No metric is named; say M=ctr, or leave all out for the list.")
        known = self.dimensions(metrics)
        times = {self.metrics[name].time for name in metrics}
        grouped = list(dict.fromkeys(_resolved(name, known, times, metrics) for name in by))
        about = self._segmentation(segmentation, known, grouped)
        for name in metrics:
            self._refuse_sums_over(self.metrics[name], grouped)
        where = [f"{{{{ Dimension('{SEGMENTATION}') }}}} = '{about}'"] if about else None
        explained = self._engine.explain(
            MetricFlowQueryRequest.create(
                metric_names=[*metrics],
                group_by_names=grouped,
                where_constraints=where,
                order_by_names=grouped,
                output_column_order_mode=OutputColumnOrderMode.INPUT_ORDER,
            )
        )
        return explained.sql_statement.sql, (*grouped, *metrics), about

    def ask(self, metrics: Sequence[str], by: Sequence[str] = (), segmentation: str = "") -> Answer:
        """The metrics' values, sorted by what they are grouped by; arguments are those of `sql`."""
        sql, columns, about = self.sql(metrics, by, segmentation)
        rows = tuple(tuple(map(_plain, row)) for row in self._run(sql, metrics).fetchall())
        return Answer(columns, rows, about)

    def _segmentation(self, asked: str, known: Sequence[str], grouped: list[str]) -> str | None:
        """Which segmentation is meant; rows of several never add up."""
        if SEGMENTATION not in known:
            return None
        there = self.segmentations()
        if asked == EVERY_SEGMENTATION:
            if SEGMENTATION not in grouped:
                grouped.insert(0, SEGMENTATION)
            return None
        if asked and asked not in there:
            raise UserError(
                f"SEGMENTATION names {asked}, which is not published; there are "
                f"{', '.join(there)}, and {EVERY_SEGMENTATION} for every one."
            )
        if asked or SEGMENTATION in grouped:
            return asked or None
        if self._primary in there:
            return self._primary
        if len(there) == 1:
            return there[0]
        raise UserError(
            f"The var primary_segmentation names {self._primary}, which is not published; say "
            f"which is meant, SEGMENTATION={there[0] if there else 'name'}, of {', '.join(there)}."
        )

    def _refuse_sums_over(self, metric: Metric, grouped: Sequence[str]) -> None:
        asked = {name.rsplit("__", maxsplit=1)[-1] for name in grouped}
        if METRIC_TIME in grouped:
            asked.add(metric.time)
        missing = [need for need in metric.needs if need not in asked]
        if missing:
            raise UserError(
                f"{metric.name} may not be added up over {' and '.join(missing)}; add "
                f"{','.join(missing)} to BY."
            )

    def _run(self, sql: str, metrics: Sequence[str] = ()) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            if f'"{CUSTOMERS}"."main"' in sql and "does not exist" in str(error):
                raise UserError(
                    f"{', '.join(metrics)} adds up customers one by one, and there is no "
                    "customers.duckdb with them that you may read; ask its owner, or run "
                    "`make build`."
                ) from error
            raise UserError(
                f"The published file lacks what {', '.join(metrics) or 'metrics'} is made of; "
                f"run `make build` ({sentences.one_line(str(error).splitlines()[0])})."
            ) from error


@contextmanager
def open_metrics(settings: Settings) -> Iterator[Metrics]:
    """The metrics of this environment's published folder.

    Raises UserError where nothing is published, or the project cannot be read.
    """
    warehouse = settings.published_folder / f"{WAREHOUSE}.duckdb"
    customers = settings.published_folder / f"{CUSTOMERS}.duckdb"
    if not warehouse.is_file():
        raise UserError(
            f"Nothing is published: there is no {settings.shown(warehouse)}; run `make build`."
        )
    manifest = semantic_manifest(settings)
    with duckdb.connect(":memory:") as connection:
        _attach(connection, warehouse, WAREHOUSE, settings)
        connection.execute(f"use {WAREHOUSE}")
        if not _has_customers(connection):
            manifest = _with_published_customers(manifest)
            if os.access(customers, os.R_OK):
                _attach(connection, customers, CUSTOMERS, settings)
        yield Metrics(connection, manifest, str(settings.variable("primary_segmentation")))


def semantic_manifest(settings: Settings) -> Mapping[str, Any]:
    """What dbt made of `models/semantic/`; read anew where a file there is newer."""
    path = settings.root / SEMANTIC_MANIFEST
    folder = settings.root / "models" / "semantic"
    changed = max(found.stat().st_mtime for found in (folder, *folder.rglob("*")))
    if not path.is_file() or path.stat().st_mtime < changed:
        from pipeline import load

        print("Reading the models, since models/semantic changed ...", file=sys.stderr, flush=True)
        load.prepare(settings)
        load.parse(settings)
    parsed: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return parsed


def _attach(
    connection: duckdb.DuckDBPyConnection, path: Path, catalog: str, settings: Settings
) -> None:
    try:
        connection.execute(f"attach {literal(path)} as {catalog} (read_only)")
    except duckdb.Error as error:
        raise UserError(
            f"{settings.shown(path)} cannot be read ({sentences.one_line(str(error))}); close the "
            "program that writes to it, or run `make publish`."
        ) from error


def _has_customers(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file is a build, which has the customers' tables in itself."""
    row = connection.execute(
        "select count(*) from duckdb_schemas() where database_name = ? and schema_name = ?",
        [WAREHOUSE, CUSTOMERS],
    ).fetchone()
    return row is not None and row[0] > 0


def _with_published_customers(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    models = []
    for model in manifest["semantic_models"]:
        relation = model["node_relation"]
        if relation["schema_name"] == CUSTOMERS:
            name = f'"{CUSTOMERS}"."main"."{relation["alias"]}"'
            relation = relation | PUBLISHED_CUSTOMERS | {"relation_name": name}
        models.append(model | {"node_relation": relation})
    return {**manifest, "semantic_models": models}


def _metrics(manifest: Mapping[str, Any]) -> dict[str, Metric]:
    times = {
        measure["name"]: model["defaults"]["agg_time_dimension"]
        for model in manifest["semantic_models"]
        for measure in model["measures"]
    }
    # A ratio's numerator is a metric, a simple metric's input a measure.
    inputs = {
        metric["name"]: metric["type_params"]["numerator"] or metric["type_params"]["measure"] or {}
        for metric in manifest["metrics"]
    }
    found = {}
    for metric in manifest["metrics"]:
        first = inputs[metric["name"]].get("name", "")
        meta = metric["config"]["meta"]
        found[metric["name"]] = Metric(
            name=metric["name"],
            label=metric["label"] or "",
            description=metric["description"] or "",
            agrees_with=tuple(meta.get("agrees_with", ())),
            where=meta.get("where", {}),
            needs=tuple(meta.get("needs", ())),
            time=times.get(first) or times.get(inputs.get(first, {}).get("name", ""), ""),
        )
    return found


def _resolved(name: str, known: Sequence[str], times: set[str], metrics: Sequence[str]) -> str:
    if name in known:
        return name
    matching = [whole for whole in known if whole.rsplit("__", maxsplit=1)[-1] == name]
    if len(matching) == 1:
        return matching[0]
    if times == {name}:
        return METRIC_TIME
    asked = ", ".join(metrics)
    if matching:
        raise UserError(f"BY names {name}, which {asked} has as {' and '.join(matching)}; say one.")
    raise UserError(f"BY names {name}, which {asked} cannot be grouped by; try {', '.join(known)}.")


def _plain(value: Any) -> Any:
    """Months and days as dates; everything else as it is."""
    return value.date() if isinstance(value, datetime) else value


def as_table(answer: Answer) -> str:
    """Columns side by side, numbers to the right."""
    cells = [answer.columns, *(tuple(map(_shown, row)) for row in answer.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [
        any(isinstance(value, int | float | Decimal) for value in column)
        for column in zip(*answer.rows, strict=True)
    ] or [False] * len(widths)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in cells
    )


def as_csv(answer: Answer) -> str:
    """The answer as CSV with a header, numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)
    return out.getvalue().rstrip("\n")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.2f}"


def _listed(metrics: Mapping[str, Metric]) -> str:
    rows = tuple(
        (metric.name, metric.label, ", ".join(metric.needs))
        for metric in sorted(metrics.values(), key=lambda metric: metric.name)
    )
    return as_table(Answer(("metric", "what it is", "needs in BY"), rows, None))


def _names(setting: str, environment: Mapping[str, str]) -> list[str]:
    return environment.get(setting, "").replace(",", " ").split()


def main() -> None:
    """Answer M by BY of this environment; without M, list the metrics."""
    # A reader who has seen enough, such as head, ends the command without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    environment = os.environ
    settings = Settings.from_environment()
    asked = _names("M", environment)
    by = _names("BY", environment)
    segmentation = environment.get("SEGMENTATION", "").strip()
    with open_metrics(settings) as metrics:
        if not asked:
            if by:
                raise UserError("BY is given without a metric; say M=ctr, or leave BY out too.")
            print(_listed(metrics.metrics))
            return
        if environment.get("EXPLAIN", "").strip():
            print(metrics.sql(asked, by, segmentation)[0])
            return
        answer = metrics.ask(asked, by, segmentation)
        if not answer.rows or all(value is None for value in answer.rows[0]):
            about = f" of segmentation {answer.segmentation}" if answer.segmentation else ""
            raise UserError(
                f"There is nothing{about} for {', '.join(asked)}; segmentations are "
                f"{', '.join(metrics.segmentations())}, and SEGMENTATION=all shows every one."
            )
    if environment.get("CSV", "").strip():
        print(as_csv(answer))
        return
    print(as_table(answer))
    if answer.segmentation:
        print(f"\nSegmentation {answer.segmentation}; SEGMENTATION=all shows every one.")


if __name__ == "__main__":
    sentences.run(main)
