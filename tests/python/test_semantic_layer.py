"""Metrics: asked through MetricFlow they are the marts' numbers, and a new one is three files."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from conftest import PROJECT, Build, run_dbt
from rendering import CompilerError, render

from pipeline import metrics, new_metric, publish
from pipeline.metrics import Answer, Metrics, as_csv, as_table, open_metrics
from pipeline.sentences import UserError
from pipeline.settings import Settings

# A mart's key column, and what MetricFlow calls it where that is more than its own name.
CALLED = {"segmentation": "segment__segmentation", "campaign_id": "campaign"}
SEGMENT = "segment__segment_id"


@pytest.fixture(scope="module")
def project(demo_build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the demo built and published in it."""
    folder = tmp_path_factory.mktemp("semantic") / "project"
    shutil.copytree(demo_build.folder, folder, symlinks=True)
    settings = Settings.from_environment({}, folder)
    with duckdb.connect(str(settings.build_file), read_only=True) as build:
        (build_id,) = build.sql("select build_id from internal.build_state").fetchall()[0]
    settings.gate_file.write_text(json.dumps({"build_id": build_id, "success": True}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        publish.publish(settings)
    return folder


@pytest.fixture(scope="module")
def layer(project: Path) -> Iterator[Metrics]:
    """The metrics of the published demo, while another program has the build file to itself."""
    settings = Settings.from_environment({}, project)
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{hold}; sys.stdin.read()", settings.build_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None and holder.stdout.readline()
    with open_metrics(settings) as found:
        yield found
    holder.communicate()


@pytest.fixture(scope="module")
def published(project: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    path = project / "published" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def keys_of_marts() -> dict[str, list[str]]:
    """The key of every mart, as its YAML promises it."""
    keys: dict[str, list[str]] = {}
    for path in sorted((PROJECT / "models").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            for test in model.get("data_tests", []):
                promised = test.get("holds", {}).get("arguments", {})
                if "unique" in promised:
                    keys.setdefault(model["name"], promised["unique"])
    return keys


def equal(asked: Any, there: Any) -> bool:
    if asked is None or there is None:
        return asked is there
    return math.isclose(asked, there, rel_tol=1e-9, abs_tol=1e-9)


def ask(layer: Metrics, name: str, by: list[str], segmentation: str = "all") -> dict[Any, Any]:
    """The metric's value by what it is grouped by, in this order."""
    answer = layer.ask([name], by, segmentation)
    wanted = [
        next(i for i, column in enumerate(answer.columns) if column.endswith(key)) for key in by
    ]
    return {tuple(row[i] for i in wanted): row[-1] for row in answer.rows}


# --- the numbers ---


def test_every_metric_equals_its_mart_column_in_every_row(
    layer: Metrics, published: duckdb.DuckDBPyConnection
) -> None:
    keys = keys_of_marts()
    compared: dict[str, int] = {}
    wrong = []
    for metric in layer.metrics.values():
        assert metric.agrees_with, metric.name
        for place in metric.agrees_with:
            mart, column = place.split(".")
            key = [name for name in keys[mart] if name not in metric.where]
            chosen = " and ".join(f"{name} = '{value}'" for name, value in metric.where.items())
            rows = published.sql(
                f"select {', '.join(key)}, {column} from marts.{mart} where {chosen or 'true'}"
            ).fetchall()
            expected = {row[:-1]: row[-1] for row in rows}
            segmentation = "all" if "segmentation" in key else ""
            found = ask(layer, metric.name, [CALLED.get(name, name) for name in key], segmentation)
            wrong += [
                (metric.name, place, cell, found.get(cell), expected.get(cell))
                for cell in expected.keys() | found.keys()
                if not equal(found.get(cell), expected.get(cell))
                # What no mart's row is about is no number.
                and not (cell not in expected and found[cell] is None)
            ]
            compared[metric.name] = compared.get(metric.name, 0) + len(expected)
    assert wrong == []
    assert len(compared) >= 30
    assert min(compared.values()) > 0 and sum(compared.values()) > 2000


def test_the_metrics_that_people_ask_for_are_there(layer: Metrics) -> None:
    wanted = {
        *("reach", "impressions", "clicks", "ctr", "open_rate", "conversion_rate"),
        *(
            "ownership_rate",
            "purchase_rate",
            "deposit_amount_per_customer",
            "deposits_per_customer",
        ),
        *("withdrawal_amount_per_customer", "withdrawals_per_customer", "active_customers"),
        *("sessions_per_customer", "revenue", "cost", "roas", "clv", "retention_rate"),
    }
    assert wanted <= set(layer.metrics)
    known = {
        name
        for metric in layer.metrics
        for dimension in layer.dimensions([metric])
        for name in dimension.split("__")
    }
    assert {"segment", "campaign", "product", "customer", "segment_name"} <= known
    assert {"channel", "month_starts_on", "objective", "region"} <= known


def test_figures_by_region_add_up_to_the_segment(layer: Metrics) -> None:
    by_region = layer.ask(["regional_customers"], ["region", SEGMENT]).rows
    assert len({region for region, *_ in by_region}) > 1
    added: dict[Any, int] = {}
    for _, segment_id, count in by_region:
        added[segment_id] = added.get(segment_id, 0) + count
    assert added == {segment: count for segment, count in layer.ask(["customers"], [SEGMENT]).rows}


def test_a_second_segmentation_changes_no_total(
    layer: Metrics, project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "warehouse.duckdb"
    shutil.copy(project / "published" / "warehouse.duckdb", path)
    with duckdb.connect(str(path)) as connection:
        listed = connection.sql(
            "select table_name from information_schema.columns "
            "where table_schema = 'marts' and column_name = 'segmentation'"
        ).fetchall()
        for (table,) in listed:
            connection.execute(
                f"insert into marts.{table} select * replace ('another' as segmentation) "
                f"from marts.{table} where segmentation = 'behaviour'"
            )
    settings = Settings.from_environment({"PUBLISHED": str(tmp_path)}, project)
    totals = [
        metric.name
        for metric in layer.metrics.values()
        if not metric.needs and not metric.name.startswith(("regional_", "card_"))
    ]
    assert len(totals) > 20
    with open_metrics(settings) as doubled:
        for name in totals:
            assert doubled.ask([name]).rows == layer.ask([name]).rows, name
        assert {row[0] for row in doubled.ask(["clicks"], segmentation="all").rows} == {
            "another",
            "behaviour",
        }
        assert doubled.ask(["clicks"], ["segmentation"]).segmentation is None


def test_cells_that_share_customers_are_not_added_up(layer: Metrics) -> None:
    counted = [metric for metric in layer.metrics.values() if metric.needs]
    assert len(counted) > 15
    for metric in counted:
        with pytest.raises(UserError, match=f"{metric.name} may not be added up over"):
            layer.ask([metric.name], [SEGMENT])


def test_every_count_of_customers_needs_what_its_mart_counts_them_by(layer: Metrics) -> None:
    """A customer is in one segment and in one month's joiners, but in many channels or months."""
    keys = keys_of_marts()
    counts = ("customer_count", "holder_count", "buyer_count", "user_count")
    checked = 0
    for metric in layer.metrics.values():
        for mart, column in (place.split(".") for place in metric.agrees_with):
            if column.endswith(counts):
                by = set(keys[mart]) - {"segmentation", "segment_id", "cohort_starts_on"}
                by = {CALLED.get(name, name) for name in by - set(metric.where)}
                assert by <= set(metric.needs), metric.name
                checked += len(by)
    assert checked > 10


def test_months_come_as_dates_and_by_both_names(layer: Metrics) -> None:
    by_name = layer.ask(["monthly_ctr"], ["month_starts_on"]).rows
    assert by_name == layer.ask(["monthly_ctr"], ["metric_time"]).rows
    assert len(by_name) > 12
    assert all(day.day == 1 and not hasattr(day, "hour") for day, _ in by_name)


def test_the_time_spine_has_every_day(published: duckdb.DuckDBPyConnection) -> None:
    first, last, days = published.sql(
        "select min(day_on), max(day_on), count(distinct day_on) from marts.calendar_days"
    ).fetchall()[0]
    assert (last - first).days + 1 == days > 365
    assert published.sql("select as_of_on from health.build_info").fetchall() == [(last,)]


# --- the command ---


def told(
    project: Path, module: str = "pipeline.metrics", **environment: str
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in the project."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEGMART_", "DBT_")) and name not in ("RAW_DATA", "PUBLISHED")
    }
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=project,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_a_table_csv_and_sql(
    project: Path, layer: Metrics, published: duckdb.DuckDBPyConnection
) -> None:
    asked = {"M": "ctr", "BY": "segment__segment_name"}
    code, table, errors = told(project, **asked)
    assert (code, errors) == (0, "")
    assert re.search(r"^Budget-Conscious Occasionals +0\.0\d+$", table, re.MULTILINE)
    assert "Segmentation behaviour" in table
    rows = layer.ask(["ctr"], ["segment__segment_name"]).rows
    code, text, errors = told(project, **asked, CSV="1")
    assert (code, errors) == (0, "")
    header, *found = csv.reader(io.StringIO(text))
    assert header == ["segment__segment_name", "ctr"]
    assert [(name, float(value)) for name, value in found] == list(rows)
    code, sql, errors = told(project, **asked, EXPLAIN="1")
    assert (code, errors) == (0, "")
    assert published.sql(sql).fetchall() == list(rows)


def test_metricflow_s_own_command_reads_the_published_file(project: Path, layer: Metrics) -> None:
    program = Path(sys.executable).with_name("mf")
    if not program.exists():
        pytest.skip("mf is not installed; it is dbt-metricflow's command.")
    out = project / "mf.csv"
    done = subprocess.run(
        [program, "query", "--metrics", "ctr", "--group-by", "segment__segment_name", "--csv", out],
        cwd=project,
        env=os.environ | {"SEGMART_TARGET": "published", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # The build file is open elsewhere (`layer`), so that mf could not have read it.
    assert done.returncode == 0, done.stdout + done.stderr
    _, *rows = csv.reader(out.open(encoding="utf-8"))
    expected = dict(layer.ask(["ctr"], ["segment_name"]).rows)
    assert {name: float(value) for name, value in rows} == pytest.approx(expected)


def test_without_a_metric_the_command_lists_them(project: Path, layer: Metrics) -> None:
    code, text, _ = told(project)
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()[1:]] == sorted(layer.metrics)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"M": "crt"}, r"There is no metric crt; there are .*\bctr\b.*\."),
        ({"M": "ctr", "BY": "chanel"}, r"BY names chanel, .*engagement__channel.*\."),
        ({"M": "ctr,clv", "BY": "channel"}, r"BY names channel, which ctr, clv cannot .*\."),
        ({"M": "ownership_rate"}, r"ownership_rate may not be added up over product; .*\."),
        ({"BY": "channel"}, r"BY is given without a metric; .*\."),
        ({"M": "ctr", "SEGMENTATION": "x"}, r"SEGMENTATION names x, .*behaviour, cards.*\."),
        ({"M": "card_accounts"}, r"There is nothing of segmentation behaviour .*cards.*\."),
        ({"M": "ctr", "PUBLISHED": "nowhere"}, r"Nothing is published: .*nowhere.*make build`\."),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    project: Path,
    environment: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project)
    for name in ("M", "BY", "CSV", "EXPLAIN", "SEGMENTATION", "PUBLISHED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as refused:
        metrics.main()
    assert re.fullmatch(sentence, str(refused.value))


def test_a_refusal_ends_with_1_and_without_a_stack_trace(project: Path) -> None:
    code, text, errors = told(project, M="crt")
    assert (code, text, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("There is no metric crt; ")


def test_a_published_file_that_lacks_a_mart_or_the_customers_is_a_sentence(
    project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "warehouse.duckdb"
    shutil.copy(project / "published" / "warehouse.duckdb", path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table marts.segment_value")
        connection.execute(
            "alter table marts.segment_engagement drop column converted_customer_count"
        )
    settings = Settings.from_environment({"PUBLISHED": str(tmp_path)}, project)
    with open_metrics(settings) as older:
        for name in ("clv", "conversion_rate"):
            with pytest.raises(UserError, match=f"lacks what {name} is made of; run `make build`"):
                older.ask([name])
        with pytest.raises(UserError, match=r"regional_clv adds up customers .* customers\.duckdb"):
            older.ask(["regional_clv"], ["region"])
    path.write_bytes(b"no database")
    with pytest.raises(UserError, match="cannot be read"), open_metrics(settings):
        pass


def test_where_the_primary_segmentation_is_not_published_the_only_one_is_meant(
    layer: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "_primary", "gone")
    with pytest.raises(UserError, match=r"primary_segmentation names gone, .* behaviour, cards"):
        layer.ask(["clicks"])
    monkeypatch.setattr(layer, "segmentations", lambda: ("behaviour",))
    assert layer.ask(["clicks"]).segmentation == "behaviour"


def test_numbers_are_shown_short_and_written_in_full() -> None:
    answer = Answer(("name", "n", "rate"), (("a", 12345, 0.123456789), ("bc", None, 1234.5)), None)
    assert as_table(answer) == (
        "name       n      rate\na     12,345    0.1235\nbc            1,234.50"
    )
    assert as_csv(answer) == "name,n,rate\na,12345,0.123456789\nbc,,1234.5"


# --- wrong metrics ---


@pytest.fixture(scope="module")
def graph(demo_build: Build) -> dict[str, Any]:
    """What dbt's macros know as `graph`."""
    manifest = json.loads((demo_build.folder / "target" / "manifest.json").read_text())
    return {kind: manifest[kind] for kind in ("nodes", "metrics", "semantic_models")}


def check(graph: dict[str, Any]) -> None:
    render("check_metrics()", graph=graph)


def changed(graph: dict[str, Any], kind: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A copy of the graph, and the metric or semantic model in it that a test changes."""
    new = graph | {kind: copy.deepcopy(graph[kind])}
    (one,) = [node for node in new[kind].values() if node["name"] == name]
    return new, one


def test_the_metrics_as_they_are_pass_the_check(graph: dict[str, Any]) -> None:
    check(graph)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"description": " "}, "description is missing; say in a sentence"),
        ({"label": None}, "label is missing; give it the name"),
        ({"type": "derived"}, "type derived equals no mart column; use simple or ratio"),
        ({"meta": {}}, "its test is missing; name the mart columns it must equal"),
        ({"meta": {"agrees_with": "segment_engagement.ctr"}}, "its test is missing"),
        ({"meta": {"agrees_with": ["segment_x.ctr"]}}, "there is no such mart; write mart.column"),
        (
            {"meta": {"agrees_with": ["segment_engagement.crt"]}},
            "the mart has no such column; add it to its SQL and its YAML",
        ),
        (
            {"meta": {"agrees_with": ["segment_engagement.ctr"], "needs": ["chanel"]}},
            "needs names chanel, which is none of its dimensions and entities; there are",
        ),
        ({"numerator": "open_rate"}, "its numerator open_rate is a ratio itself; a ratio is made"),
        ({"denominator": "open_rate"}, "its denominator open_rate is a ratio itself"),
    ],
)
def test_a_wrong_metric_stops_the_run_and_says_what_to_add(
    graph: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    new, metric = changed(graph, "metrics", "ctr")
    for key, value in change.items():
        if key == "meta":
            metric["config"]["meta"] = value
        elif key in ("numerator", "denominator"):
            metric["type_params"][key]["name"] = value
        else:
            metric[key] = value
    with pytest.raises(CompilerError, match=re.escape(sentence)) as refused:
        check(new)
    assert str(refused.value).startswith("models/semantic/_engagement.yml, metric ctr: ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"expr": "klick_count"},
            "there is no column klick_count in ref('segment_engagement'); add",
        ),
        ({"expr": "click_count / 2"}, "there is no column click_count / 2 in"),
        ({"expr": "ctr"}, "ctr is a ratio, and ratios do not add up; sum its numerator"),
        ({"agg": "average"}, "agg average does not add up over segments; use sum"),
    ],
)
def test_a_wrong_measure_stops_the_run_and_says_what_to_add(
    graph: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    new, model = changed(graph, "semantic_models", "segment_engagement")
    model["measures"][0] |= change
    with pytest.raises(CompilerError, match=re.escape(sentence)) as refused:
        check(new)
    named = f"measure {model['measures'][0]['name']}: "
    assert str(refused.value).startswith(f"models/semantic/_engagement.yml, {named}")


def test_a_figure_whose_interval_nothing_tests_is_no_metric(graph: dict[str, Any]) -> None:
    new = graph | {"nodes": copy.deepcopy(graph["nodes"])}
    (test,) = [node for node in new["nodes"].values() if node["name"] == "segment_engagement_holds"]
    test["test_metadata"]["kwargs"]["intervals"].remove("ctr")
    with pytest.raises(CompilerError, match="add ctr to intervals of segment_engagement_holds"):
        check(new)


# --- the recipe ---


def recipe() -> list[tuple[Path, list[str]]]:
    """The changes CONTRIBUTING.md lists under "A metric": a file, and a diff's lines."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("\n## A metric\n")[1].split("\n## ")[0]
    changes = []
    path = None
    for found in re.finditer(
        r"^   `(?P<path>[\w/.]+)`$|^   ```diff\n(?P<diff>.*?)^   ```$", section, re.M | re.S
    ):
        if found["path"]:
            path = Path(found["path"])
        else:
            assert path is not None
            changes.append((path, [line[3:] for line in found["diff"].splitlines()]))
    return changes


def apply(folder: Path, changes: list[tuple[Path, list[str]]]) -> None:
    """Make each change where, and only where, its old lines stand."""
    for path, lines in changes:
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        text = (folder / path).read_text(encoding="utf-8")
        assert text.count(before) == 1, (path, before)
        (folder / path).write_text(text.replace(before, after), encoding="utf-8")


def catalogued(folder: Path, model: str) -> set[str]:
    """The columns of a model in dbt's catalog, as its docs show them."""
    run_dbt(folder, "docs", "generate", "--select", model, "--no-compile")
    catalog = json.loads((folder / "target" / "catalog.json").read_text())
    return set(catalog["nodes"][f"model.segmart.{model}"]["columns"])


def board_of(folder: Path, warehouse: Path, mart: str, column: str) -> str:
    """A board of one chart over a mart's column, drawn by dbt Charts; skips where it is missing."""
    program = Path(sys.executable).with_name("dct")
    if not program.exists():
        pytest.skip("dct is not installed; dbt Charts draws the boards.")
    board = folder / "one_board"
    board.mkdir()
    source = {"type": "duckdb", "path": str(warehouse), "schema": "marts"}
    (board / "dbt_charts.yml").write_text(yaml.safe_dump({"sources": {"built": source}}))
    content = {
        "title": column,
        "source": "built",
        "queries": {"rows": {"sql": f"select segment_name, {column} from marts.{mart}"}},
        "charts": {"bars": {"type": "bar", "query": "rows", "x": "segment_name", "y": column}},
        "rows": ["bars"],
    }
    (board / "board.yml").write_text(yaml.safe_dump(content, sort_keys=False))
    done = subprocess.run(
        [program, "render", "board.yml", "--format", "html", "-o", "board.html"],
        cwd=board,
        env=os.environ | {"DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (board / "board.html").read_text(encoding="utf-8")


@pytest.fixture
def scratch(project: Path, tmp_path: Path) -> Path:
    """A copy of the project with its build file, for an analyst to change."""
    folder = tmp_path / "project"
    shutil.copytree(project, folder, symlinks=True)
    return folder


@pytest.mark.long
def test_the_recipe_makes_a_metric_of_three_files(scratch: Path) -> None:
    changes = recipe()
    assert len({path for path, _ in changes}) == 3
    apply(scratch, changes)
    run_dbt(scratch, "build", "--select", "segment_engagement")
    warehouse = scratch / "build" / "dev" / "demo" / "warehouse.duckdb"

    # In the mart, with its interval: clicks over those who clicked.
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.sql(
            """
            select segment_name, clicks_per_active_customer, clicks_per_active_customer_low,
                clicks_per_active_customer_high
            from marts.segment_engagement
            """
        ).fetchall()
        expected = connection.sql(
            """
            select segment_name, sum(click_count) / count(*)
            from intermediate.int_customer_engagement
            inner join customers.customer_segments using (customer_id)
            where click_count > 0
            group by segment_name
            """
        ).fetchall()
    mart = {row[0]: row[1] for row in rows}
    assert mart == pytest.approx(dict(expected)) and len(mart) == 4
    assert all(low < mean < high for _, mean, low, high in rows)

    # In MetricFlow, before it is published.
    settings = Settings.from_environment({"PUBLISHED": str(warehouse.parent)}, scratch)
    with open_metrics(settings) as layer:
        found = layer.ask(["clicks_per_active_customer"], ["segment_name"]).rows
    assert dict(found) == pytest.approx(mart)

    # In the docs, and on a board.
    assert "clicks_per_active_customer" in catalogued(scratch, "segment_engagement")
    manifest = json.loads((scratch / "target" / "manifest.json").read_text())
    metric = manifest["metrics"]["metric.segmart.clicks_per_active_customer"]
    assert metric["description"] and metric["label"] == "Clicks per active customer"
    board = board_of(scratch, warehouse, "segment_engagement", "clicks_per_active_customer")
    assert all(name in board for name in mart) and "clicks_per_active_customer" in board


@pytest.mark.long
def test_a_metric_without_a_description_ends_the_command_with_a_sentence(scratch: Path) -> None:
    path = scratch / "models" / "semantic" / "_engagement.yml"
    text = path.read_text(encoding="utf-8")
    line = "    description: Clicks over impressions, pooled over customers.\n"
    assert text.count(line) == 1
    path.write_text(text.replace(line, ""), encoding="utf-8")
    code, _, errors = told(scratch, "pipeline.load")
    assert code == 1
    assert errors.splitlines()[-1] == (
        "models/semantic/_engagement.yml, metric ctr: description is missing; say in a sentence "
        "what is counted, and over whom."
    )


# --- make new-metric ---


@pytest.mark.long
def test_a_metric_from_the_template_is_built_tested_and_asked_for(scratch: Path) -> None:
    name = "clicks_each"
    code, text, errors = told(
        scratch, "pipeline.new_metric", NAME=name, DESCRIPTION="Clicks of each reached customer."
    )
    assert (code, errors) == (0, "")
    assert len(text.splitlines()) == 4 and "dbt build --select clicks_each" in text
    run_dbt(scratch, "build", "--select", name)
    results = json.loads((scratch / "target" / "run_results.json").read_text())["results"]
    ran = {result["unique_id"].split(".")[2] for result in results}
    assert {name, f"{name}_holds", f"{name}_counts_nobody_twice"} <= ran
    build = scratch / "build" / "dev" / "demo"
    settings = Settings.from_environment({"PUBLISHED": str(build)}, scratch)
    with open_metrics(settings) as layer:
        for _, each, clicks, reach in layer.ask([name, "clicks", "reach"], ["segment_name"]).rows:
            assert each == pytest.approx(clicks / reach)


def test_a_template_without_a_description_leaves_it_to_the_check(tmp_path: Path) -> None:
    for folder in ("models/semantic", "templates"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    _, path, _ = new_metric.write("sessions_each", "", tmp_path)
    (metric,) = [
        metric
        for metric in yaml.safe_load(path.read_text(encoding="utf-8"))["metrics"]
        if metric["name"] == "sessions_each"
    ]
    assert metric["description"] == ""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "NAME is missing; say make new-metric NAME="),
        ("Clicks", "NAME is Clicks, which is no name of a metric"),
        ("2nd_click", "which is no name of a metric"),
        ("clicks__each", "which is no name of a metric"),
        ("../clicks", "which is no name of a metric"),
        ("c" * 60, "which is no name of a metric"),
        ("month", "NAME is month, a word that SQL or MetricFlow keeps"),
        ("select", "NAME is select, a word that SQL or MetricFlow keeps"),
        ("ctr", "ctr is there already, in models/semantic/_engagement.yml"),
        ("click_count", "click_count is there already, in models/semantic/_engagement.yml"),
        ("segment_engagement", "segment_engagement is there already, in models/"),
        ("clv", "clv_total is there already, in models/semantic/_value.yml"),
    ],
)
def test_a_name_that_is_none_or_is_taken_writes_nothing(name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        new_metric.write(name, "", PROJECT)
    assert not (PROJECT / "models" / "semantic" / "own").exists()


def test_a_second_metric_of_the_name_and_an_odd_description_are_refused(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "templates", tmp_path / "templates")
    new_metric.write("sessions_each", "Sessions.", tmp_path)
    with pytest.raises(UserError, match=r"own/sessions_each\.sql is there already"):
        new_metric.write("sessions_each", "Sessions.", tmp_path)
    with pytest.raises(UserError, match="DESCRIPTION has one of"):
        new_metric.write("minutes_each", 'Say "minutes".', tmp_path)
