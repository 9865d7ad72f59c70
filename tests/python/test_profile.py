"""What `make profile` shows of a run, on a run of five nodes made up for it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import profile
from pipeline.sentences import UserError


def result(name: str, thread: str, start: float, end: float) -> dict[str, Any]:
    """A result as dbt writes it: compiled for half a second, then executed, from noon on."""

    def at(second: float) -> str:
        return f"2026-06-30T12:00:{second:09.6f}Z"

    middle = min(start + 0.5, end)
    return {
        "unique_id": name,
        "thread_id": thread,
        "timing": [
            {"name": "compile", "started_at": at(start), "completed_at": at(middle)},
            {"name": "execute", "started_at": at(middle), "completed_at": at(end)},
        ],
    }


RESULTS = [
    result("model.segmart.large", "Thread-2 (worker)", 2, 10),
    result("operation.segmart.start", "main", 1, 2),
    result("test.segmart.large_holds.0a1b", "Thread-1 (worker)", 10, 11),
    result("model.segmart.small", "Thread-1 (worker)", 2, 3),
    {"unique_id": "model.segmart.skipped", "thread_id": "Thread-1 (worker)", "timing": []},
]


def nodes() -> list[profile.Node]:
    return profile.nodes_of(
        RESULTS, {"large": 1_234_567, "small": 3, "large_holds": 9}, {"large": 25_000_000}
    )


def test_nodes_are_those_that_ran_by_their_start() -> None:
    assert nodes() == [
        profile.Node("start", "operation", "main", 0, 1),
        profile.Node("large", "model", "Thread-2 (worker)", 1, 8, 1_234_567, 25_000_000),
        profile.Node("small", "model", "Thread-1 (worker)", 1, 1, 3),
        profile.Node("large_holds", "test", "Thread-1 (worker)", 9, 1),
    ]


def test_the_table_has_the_slowest_first_and_says_how_busy_the_threads_were() -> None:
    lines = profile.table_lines(nodes())
    assert [line.split()[-1] for line in lines[1:-1]] == ["large", "large_holds", "small", "start"]
    assert lines[1].split() == ["8.00", "72.7%", "1,234,567", "25", "model", "large"]
    assert lines[-1] == (
        "10.0 s from the first to the last, 2 threads busy for 55%: "
        "models 9.0 s, operations 1.0 s, tests 1.0 s."
    )


def test_the_chart_has_a_bar_a_node_in_the_lane_of_its_thread() -> None:
    bars = profile.gantt(nodes())["data"]["values"]
    assert [(bar["lane"], bar["start"], bar["end"]) for bar in bars] == [
        ("hooks", 0, 1),
        ("thread 2", 1, 9),
        ("thread 1", 1, 2),
        ("thread 1", 9, 10),
    ]


def test_what_an_earlier_run_spilled_does_not_count(tmp_path: Path) -> None:
    for name, moment in (("old", 1_000), ("new", 3_000)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"system_peak_temp_dir_size": 7}))
        os.utime(path, (moment, moment))
    assert profile.spilled_of(tmp_path, 2_000) == {"new": 7}


def test_rows_are_those_of_the_build_file_where_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    assert profile.rows_of(path) == {}
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create table marts.large as from range(5)")
    assert profile.rows_of(path) == {"large": 5}


@pytest.mark.parametrize("content", [None, "", "[]"])
def test_without_a_run_one_sentence_says_what_to_do(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "run_results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"target/run_results\.json .* run make load"):
        profile.read_results(path)


def test_the_command_writes_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAW_DATA", raising=False)
    (tmp_path / "dbt_project.yml").touch()
    (tmp_path / "target").mkdir()
    run = {"metadata": {"invocation_started_at": "2026-06-30T12:00:00Z"}, "results": RESULTS}
    (tmp_path / "target" / "run_results.json").write_text(json.dumps(run))
    assert profile.main() == 0
    assert capsys.readouterr().out.endswith("build/profile.svg shows all 4 nodes.\n")
    assert (tmp_path / "build" / "profile.svg").read_text().startswith("<svg")
