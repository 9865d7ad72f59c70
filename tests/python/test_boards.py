"""What `make dashboard` and `make report` refuse, and that boards are what is said of them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml  # type: ignore[import-untyped]
from conftest import PROJECT, Build
from published_files import with_decoy

from pipeline import boards, build_file, publish
from pipeline.sentences import UserError
from pipeline.settings import Settings

COMMANDS = ("dashboard", "report")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with boards and settings, and nothing built."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / "dashboard", folder / "dashboard")
    shutil.copyfile(PROJECT / "dbt_project.yml", folder / "dbt_project.yml")
    return folder


@pytest.fixture(scope="module")
def warehouse(demo_build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that would be published of the demo."""
    work = tmp_path_factory.mktemp("published") / "work"
    with duckdb.connect(":memory:") as build:
        build.execute(f"attach '{demo_build.path}' as {build_file.CATALOG} (read_only)")
        publish._write_all(build, work, work / "spill")
    return work / publish.WAREHOUSE


def run(project: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command's module in the project."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", f"pipeline.{command}"],
        cwd=project,
        env={**kept, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def refused(project: Path, command: str, **environment: str) -> str:
    """The one sentence a command ends with."""
    done = run(project, command, **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


def published(project: Path, warehouse: Path, *statements: str) -> None:
    """Publish a copy of the warehouse, changed by the statements."""
    (project / "published").mkdir()
    path = shutil.copyfile(warehouse, project / "published" / publish.WAREHOUSE)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("command", COMMANDS)
def test_before_any_build(project: Path, command: str) -> None:
    assert refused(project, command) == (
        "There is no published/warehouse.duckdb, since nothing was built yet; run `make build`."
    )


def test_built_and_not_published(project: Path) -> None:
    build = project / "build" / "dev" / "demo"
    build.mkdir(parents=True)
    (build / "warehouse.duckdb").touch()
    assert "it is not published; run `make gate publish`" in refused(project, "dashboard")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_older_contract(project: Path, warehouse: Path, command: str) -> None:
    published(project, warehouse, "update health.build_info set contract_version = '1'")
    sentence = refused(project, command)
    assert sentence.startswith("published/warehouse.duckdb has contract version 1")
    assert "run `make build`" in sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_a_column_renamed_under_a_board(project: Path, warehouse: Path, command: str) -> None:
    published(
        project, warehouse, "alter table marts.segment_channel_engagement rename ctr to click_rate"
    )
    sentence = refused(project, command)
    assert sentence.startswith("dashboard/digital_engagement.yml, query channel")
    assert "ctr" in sentence and "change the query" in sentence


def test_no_database(project: Path) -> None:
    (project / "published").mkdir()
    (project / "published" / "warehouse.duckdb").write_text("no database")
    assert "published/warehouse.duckdb cannot be read" in refused(project, "dashboard")


def test_a_taken_port(project: Path, warehouse: Path) -> None:
    published(project, warehouse)
    with socket.socket() as holder:
        holder.bind(("localhost", 0))
        holder.listen()
        port = holder.getsockname()[1]
        sentence = refused(project, "dashboard", PORT=str(port))
    assert sentence.startswith(f"Port {port} is taken by another program")


@pytest.mark.parametrize("port", ["eighty", "80", "70000"])
def test_no_port(project: Path, port: str) -> None:
    assert refused(project, "dashboard", PORT=port).startswith(f"PORT is {port}, which is no port")


def test_a_report_that_cannot_be_drawn_leaves_the_earlier_one(
    project: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPORT", raising=False)
    published(project, warehouse, "drop table marts.segment_value")
    report = project / "published" / "report.html"
    report.write_text("earlier")
    settings = Settings.from_environment({}, project)
    assert "value.yml" in refused(project, "report")
    assert not publish.draw_report(settings)
    assert report.read_text() == "earlier"


def test_every_query_runs_over_the_demo(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for query in boards.queries(PROJECT):
            connection.execute(query.sql).fetchall()


def test_titles_say_what_the_marts_hold(warehouse: Path) -> None:
    """The title of CTR names the highest segment with its interval, hedged unless it is certain."""
    query = next(
        one
        for one in boards.queries(PROJECT)
        if (one.board, one.name) == ("digital_engagement", "ctr_title")
    )
    highest = """
        select segment_name, ctr, ctr_low, ctr_high from marts.segment_engagement
        where segmentation = 'behaviour' order by ctr desc limit 1
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        ((title,),) = connection.execute(query.sql).fetchall()
        ((name, *shares),) = connection.execute(highest).fetchall()
    ctr, low, high = (f"{100 * share:.1f}" for share in shares)
    assert title == f"{name} click most: {ctr} %, {low} to {high}"


def test_a_title_is_hedged_when_the_difference_may_be_chance(
    project: Path, warehouse: Path
) -> None:
    published(project, warehouse, "update evidence.segment_differences set adjusted_p = 0.3")
    sql = {one.name: one.sql for one in boards.queries(project)}["ctr_title"]
    with duckdb.connect(str(project / "published" / "warehouse.duckdb")) as connection:
        ((title,),) = connection.execute(sql).fetchall()
    assert title.startswith("Whether ") and "is not sure" in title


def test_a_title_says_what_was_counted_where_some_are_too_small_to_judge(
    project: Path, warehouse: Path
) -> None:
    published(
        project,
        warehouse,
        "update evidence.segment_differences set adjusted_p = null where other_segment_id = 1",
    )
    sql = {one.name: one.sql for one in boards.queries(project)}["ctr_title"]
    with duckdb.connect(str(project / "published" / "warehouse.duckdb")) as connection:
        ((title,),) = connection.execute(sql).fetchall()
    assert title.startswith("As counted, ") and "not sure" not in title


def test_exposures_name_what_each_board_reads() -> None:
    exposures = yaml.safe_load((PROJECT / "models" / "_exposures_boards.yml").read_text())
    said = {
        one["name"]: {re.sub(r"ref\('(\w+)'\)", r"\1", ref) for ref in one["depends_on"]}
        for one in exposures["exposures"]
    }
    read = {
        # A ref without a version is one to the latest, whose address ends with its number.
        f"board_{board}": {
            re.sub(r"^\w+\.|_v\d+$", "", relation) for relation in boards.relations(PROJECT, board)
        }
        for board in (*boards.BOARDS, *boards.DETAIL_BOARDS)
    }
    assert said == read


def test_boards_type_no_segment_campaign_or_currency(warehouse: Path) -> None:
    """What a row could contradict is never written by hand."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        typed = [
            name
            for (name,) in connection.sql(
                """
                select segment_name from marts.segments
                union select campaign_name from marts.campaign_performance
                union select currency from health.build_info
                """
            ).fetchall()
        ]
    text = "\n".join(path.read_text() for path in (PROJECT / "dashboard").glob("*.yml"))
    # "VIP" would be found in no word of a board, and "EUR" is the currency's code.
    assert [name for name in typed if re.search(rf"\b{re.escape(name)}\b", text)] == []


def test_boards_read_the_published_file_alone(project: Path, warehouse: Path) -> None:
    published(project, warehouse)
    settings = Settings.from_environment({}, project)
    folder = project / "laid_out"
    boards.lay_out(settings, project / "published" / "warehouse.duckdb", folder)
    sources: dict[str, Any] = yaml.safe_load((folder / "dbt_charts.yml").read_text())["sources"]
    assert list(sources) == ["published"]
    assert sources["published"]["path"] == str(project / "published" / "warehouse.duckdb")
    text = "\n".join(path.read_text() for path in folder.rglob("*.yml"))
    assert "customers.duckdb" not in text and "quarantine" not in text


def test_a_segment_has_one_colour(project: Path, warehouse: Path) -> None:
    published(project, warehouse)
    settings = Settings.from_environment({}, project)
    folder = project / "laid_out"
    boards.lay_out(settings, project / "published" / "warehouse.duckdb", folder)
    meta = yaml.safe_load((folder / "charts" / "meta.yml").read_text())
    pins = meta["style"]["charts"]["category_colors"]
    for pinned in pins.values():
        colours = list(pinned["values"].values())
        assert len(set(colours)) == len(colours)
    assert meta["regional"]["currency"] == "EUR"


def test_an_unknown_currency_is_no_symbol(project: Path, warehouse: Path) -> None:
    published(project, warehouse, "update health.build_info set currency = 'HUF'")
    settings = Settings.from_environment({}, project)
    boards.lay_out(settings, project / "published" / "warehouse.duckdb", project / "laid_out")
    meta = yaml.safe_load((project / "laid_out" / "charts" / "meta.yml").read_text())
    assert "currency" not in meta["regional"]
    assert meta["style"]["formats"]["currency_whole"] == ",.0f"


def test_a_chart_without_a_mark_is_words(project: Path, warehouse: Path, tmp_path: Path) -> None:
    published(project, warehouse, "update evidence.campaign_effects set holdout_count = 1")
    settings = Settings.from_environment({}, project)
    for is_static in (True, False):
        folder = tmp_path / f"laid_out_{is_static}"
        boards.lay_out(settings, project / "published" / "warehouse.duckdb", folder, is_static)
        for place in (folder / "charts", folder / "charts" / boards.PHONE):
            board = yaml.safe_load((place / "campaign_impact.yml").read_text())
            assert board["charts"]["segment_effects"]["type"] == "table"
            assert boards.NOTHING_TO_DRAW in board["queries"]["segment_effects_in_words"]["sql"]
            assert board["charts"]["counted"]["query"] == "counted"
        assert yaml.safe_load((folder / "charts" / "value.yml").read_text())["charts"]
    board, page = "charts/campaign_impact.yml", tmp_path / "page.html"
    subprocess.run(
        boards.command("render", board, "--format", "html", "--output", str(page)),
        cwd=tmp_path / "laid_out_True",
        env=boards.environment(),
        check=True,
    )
    assert "not enough customers" in page.read_text()


def test_more_segments_than_colours_are_drawn(project: Path) -> None:
    names = [f"Segment {number}" for number in range(30)]
    colours = boards._colours(names)
    assert len(colours) == len(boards.COLOURS) + 1


def test_the_default_segmentation_is_the_primary_one(warehouse: Path) -> None:
    """Several segmentations in one table multiply every total; a board shows one."""
    shown = [query for query in boards.queries(PROJECT) if query.name == "shown"]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        ((primary,),) = connection.sql(
            "select primary_segmentation from health.build_info"
        ).fetchall()
        found = {
            query.board: [row[0] for row in connection.execute(query.sql).fetchall()]
            for query in shown
        }
    # Cards are not customers: their board shows their own.
    assert found.pop("cards") == ["cards"]
    assert len(found) > 5
    assert set(map(tuple, found.values())) == {(primary,)}


def test_no_board_adds_or_mixes_segmentations(warehouse: Path, tmp_path: Path) -> None:
    """A second segmentation of the same customers changes nothing but the list to choose from.

    Findings list sentences, each of one segmentation; there the decoy is every sentence said twice.
    """
    paths = (warehouse, with_decoy(warehouse, tmp_path))
    differing = set()
    for query in boards.queries(PROJECT):
        found = []
        for path in paths:
            with duckdb.connect(str(path), read_only=True) as connection:
                found.append(sorted(map(str, connection.execute(query.sql).fetchall())))
        if found[0] != found[1] and query.board not in ("findings", "claim"):
            differing.add(query.name)
    assert differing == {"segmentations"}


def test_a_board_that_cannot_be_found_is_named() -> None:
    with pytest.raises(UserError, match="is not built as expected"):
        from pipeline import report

        report._found(report._TITLE, "no page", "overview")
