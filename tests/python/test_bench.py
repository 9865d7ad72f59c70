"""What `make bench` says: scripts whose answers are the project's, targets, slower models."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PROJECT, copy_project, run_dbt

from benchmarks import generate, scale
from benchmarks.bench import Measurement
from benchmarks.peers import check, contest, guard, page

PEERS_PYTHON = PROJECT / ".venv-bi" / "peers" / "bin" / "python"


# --- the scripts' answers ---


@pytest.fixture(scope="module")
def small_bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Raw Parquet files of 1,000 customers, the project's build of them, and its centres."""
    if not PEERS_PYTHON.is_file():
        pytest.skip("polars is not installed; make .venv-bi/peers/installed installs it")
    folder = tmp_path_factory.mktemp("peers")
    data = folder / "raw"
    size = ["--customers", "1000", "--transactions-per-customer", "20"]
    generate.main([*size, "--out", str(data), "--format", "parquet", "--block-size", "400"])
    copy_project(folder / "project")
    options = [*contest.WITHIN, "--exclude-resource-types", "test", "unit_test"]
    run_dbt(folder / "project", "build", *options, RAW_DATA=str(data))
    build_file = next((folder / "project" / "build" / "dev").glob("*/warehouse.duckdb"))
    check.export_centres(build_file, folder / "centres.json")
    return data, build_file, folder / "centres.json"


@pytest.mark.long
@pytest.mark.parametrize("script", contest.SCRIPTS.values())
def test_the_scripts_say_what_the_project_says(
    script: str,
    small_bank: tuple[Path, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of 1,000 customers, ten starts place up to 1 % differently by the order of rows alone.
    monkeypatch.setattr(check, "LEAST_AGREEMENT", 0.97)
    data, build_file, centres = small_bank
    command = [PEERS_PYTHON, "-m", f"benchmarks.peers.{script}", data, tmp_path]
    subprocess.run(
        [*command, "--centres", centres],
        check=True,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert check.differences(build_file, tmp_path) == []
    stages = json.loads((tmp_path / "stages.json").read_text())
    assert [stage["stage"] for stage in stages] == ["clean", "features", "fit and assign", "marts"]


PROJECT_ROWS = (
    "(values (1, 'email', 0.25, null), (2, 'email', 0.5, 7)) as t(segment_id, channel, ctr, n)"
)
MART = check.Mart(f"from {PROJECT_ROWS}", ("segment_id", "channel"))


@pytest.mark.parametrize(
    ("rows", "sentences"),
    [
        ("(2, 'email', 0.50000001, 7), (1, 'email', 0.25, null)", []),
        ("(1, 'email', 0.25, 'nan'::double), (2, 'email', 0.5, 7)", []),
        (
            "(1, 'email', 0.25, null), (2, 'email', 0.50001, 7)",
            ["ctrs.ctr differs in 1 of 2 rows."],
        ),
        ("(1, 'email', 0.25, 0), (2, 'email', 0.5, 7)", ["ctrs.n differs in 1 of 2 rows."]),
        ("(1, 'email', 0.25, null)", ["ctrs lacks 1 of the project's rows and has 0 others."]),
        (
            "(1, 'email', 0.25, null), (2, 'sms', 0.5, 7)",
            ["ctrs lacks 1 of the project's rows and has 1 others."],
        ),
    ],
)
def test_a_mart_that_differs_is_named(rows: str, sentences: list[str], tmp_path: Path) -> None:
    file = tmp_path / "ctrs.parquet"
    with duckdb.connect() as db:
        db.execute(f"copy (from (values {rows}) as t(segment_id, channel, ctr, n)) to '{file}'")
        assert check.mart_differences(db, "ctrs", MART, file) == sentences


def test_a_column_the_project_has_not_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ctrs.parquet"
    with duckdb.connect() as db:
        db.execute(f"copy (select 1 as segment_id, 'email' as channel, 1 as cpc) to '{file}'")
        found = check.mart_differences(db, "ctrs", MART, file)
    assert found == ["ctrs has the column cpc, which the project has not."]


def test_agreement_matches_labels_before_it_counts(tmp_path: Path) -> None:
    file = tmp_path / "segment_members.parquet"
    with duckdb.connect() as db:
        db.execute(f"""
            copy (
                select
                    i % 4 + 1 as segment_id,
                    case when i = 0 then 9 else (i + 1) % 4 end as own_segment
                from range(1000) t(i)
            ) to '{file}'
        """)
    assert check.agreement(file) == 0.999


# --- which models got slower ---


def run_of(floor: float, **models: float) -> dict[str, Any]:
    return {
        "size": "M",
        "contestants": {
            "floor": {"min_seconds": floor},
            "models": {"min_seconds": sum(models.values()), "models": models},
        },
    }


def test_a_model_slower_by_more_than_a_quarter_is_named() -> None:
    before, now = run_of(10, months=4.0, members=4.0), run_of(10, months=5.1, members=4.9)
    assert guard.slower(now, before) == [
        "months takes 5.1 s, 0.510 of the floor; it was 0.400 (models)."
    ]


def test_a_slower_machine_is_no_slower_model() -> None:
    assert guard.slower(run_of(20, months=8.0), run_of(10, months=4.0)) == []


def test_models_of_less_than_a_second_say_nothing() -> None:
    assert guard.slower(run_of(10, months=0.9), run_of(10, months=0.1)) == []


def test_new_models_and_runs_without_a_floor_say_nothing() -> None:
    without = run_of(10, months=9.0)
    del without["contestants"]["floor"]
    assert guard.slower(without, run_of(10, months=1.0)) == []
    assert guard.slower(run_of(10, new=9.0), run_of(10, months=1.0)) == []


# --- what the page says ---


def contestant(seconds: float, peak_gigabytes: float = 1.0, **told: Any) -> dict[str, Any]:
    run = {"seconds": seconds, "read_bytes": None, "out_of_memory": False}
    return {
        "min_seconds": seconds,
        "median_seconds": seconds,
        "min_cpu_seconds": seconds,
        "peak_bytes": peak_gigabytes * 1e9,
        "out_of_memory": False,
        "runs": [run],
        "stages": {},
        "stage_rows": {},
        "models": {},
        **told,
    }


def verdicts(size: str = "L", smaller: dict[str, Any] | None = None, **told: Any) -> dict[str, Any]:
    result = {"size": size, "contestants": told}
    return {what: is_met for what, _, _, is_met in page.targets(result, smaller)}


def test_targets_are_met_up_to_their_limit() -> None:
    assert verdicts(models=contestant(150), floor=contestant(100))["project, the same marts"]
    assert not verdicts(models=contestant(151), floor=contestant(100))["project, the same marts"]
    tested = "project, the same marts with tests and gate"
    parts = {"gate": contestant(20), "floor": contestant(100)}
    assert verdicts(tested=contestant(200), **parts)[tested]
    assert not verdicts(tested=contestant(201), **parts)[tested]
    day = "one more day / everything"
    assert verdicts(day=contestant(35), everything=contestant(100))[day]
    assert not verdicts(day=contestant(36), everything=contestant(100))[day]


def test_what_was_not_run_is_not_judged() -> None:
    found = verdicts(floor=contestant(100))
    assert {name for name, is_met in found.items() if is_met is not None} <= {
        *page.FIT_FIGURES.values()
    }


def test_pandas_out_of_memory_meets_its_target() -> None:
    what = "pandas / project with tests and gate"
    project = {"tested": contestant(100), "gate": contestant(0)}
    assert not verdicts(pandas=contestant(200), **project)[what]
    assert verdicts(pandas=contestant(200, out_of_memory=True), **project)[what]


def test_memory_is_the_projects_own() -> None:
    what = "peak memory of the project"
    assert verdicts(models=contestant(1, 5.9), pandas=contestant(1, 20))[what]
    assert not verdicts(models=contestant(1, 1), everything=contestant(1, 6.1))[what]


def test_growth_needs_both_sizes() -> None:
    what = "everything, M to L"
    small = {"size": "M", "contestants": {"everything": contestant(50)}}
    assert verdicts(smaller=small, everything=contestant(550))[what]
    assert not verdicts(smaller=small, everything=contestant(551))[what]
    assert verdicts(everything=contestant(550))[what] is None
    assert verdicts("M", smaller=small, everything=contestant(50))[what] is None


def test_losses_are_shown_like_wins() -> None:
    told = {"floor": contestant(10), "models": contestant(25), "polars": contestant(5)}
    table = page.contestants_table({"contestants": told})
    assert "| project, the same marts | 25.0 | 25.0 | 25.0 | 1.0 |  | 2.50 |" in table
    assert "| polars and scikit-learn | 5.0 | 5.0 | 5.0 | 1.0 |  | 0.50 |" in table


def test_page_and_readme_are_of_the_committed_runs() -> None:
    for path, text in page.written().items():
        assert path.read_text(encoding="utf-8") == text, f"python -m benchmarks.peers.page: {path}"


# --- how a build is told by stage ---


@pytest.mark.long
def test_no_stage_rests_on_a_later_one() -> None:
    stages = scale.stage_of_models(PROJECT, "dev")
    options = "--quiet ls --resource-type model --output json --output-keys unique_id depends_on"
    told = subprocess.run(
        [scale.DBT, *options.split()],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    order = {stage: place for place, stage in enumerate(scale.STAGES)}
    nodes = [json.loads(line) for line in told.stdout.splitlines()]
    assert {node["unique_id"] for node in nodes} == stages.keys()
    later = [
        (node["unique_id"], parent)
        for node in nodes
        for parent in node["depends_on"]["nodes"]
        if parent in stages and order[stages[parent]] > order[stages[node["unique_id"]]]
    ]
    assert later == []


def test_seconds_are_told_by_stage() -> None:
    results = [
        {"unique_id": "model.segmart.segments", "execution_time": 2.0},
        {"unique_id": "model.segmart.claim_verdicts", "execution_time": 1.0},
        {"unique_id": "test.segmart.holds", "execution_time": 0.5},
        {"unique_id": "test.segmart.exists", "execution_time": 0.25},
    ]
    stages = {"model.segmart.segments": "figures", "model.segmart.claim_verdicts": "evidence"}
    assert scale.seconds_by_stage(results, stages) == {"figures": 2, "evidence": 1, "tests": 0.75}
    assert scale.seconds_by_model(results) == {"segments": 2, "claim_verdicts": 1}


def test_only_names_contestants(capsys: pytest.CaptureFixture[str]) -> None:
    contestants = [contest.Contestant(name, lambda: None) for name in ("floor", "models")]  # type: ignore[arg-type, return-value]
    assert [one.name for one in contest.picked(contestants, " models ")] == ["models"]
    assert contest.picked(contestants, "") == contestants
    with pytest.raises(
        contest.Failed, match=r"ONLY names flor; the contestants are floor, models\."
    ):
        contest.picked(contestants, "flor")


class Quick(contest.Contest):
    """Contestants that note that they ran."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.ran: list[str] = []

    def run(self, name: str) -> tuple[Measurement, dict[str, Any]]:
        self.ran.append(name)
        return Measurement(1.0 + len(self.ran), 1.0, 1, 1, 0), {
            "models": {"m": float(len(self.ran))}
        }

    def those(self, *names: str) -> list[contest.Contestant]:
        return [contest.Contestant(name, partial(self.run, name)) for name in names]


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    names = ("models", "everything", "gate", "day")
    first = Quick(tmp_path)
    run = contest.rounds(first, first.those(*names), 2, {})
    for _ in range(6):
        measured = next(run)
    assert first.ran == [*names, "models", "everything"]
    file = tmp_path / "result.json"
    told = {"project": "p", "machine": {"cores": 2}, "contestants": measured}
    file.write_text(json.dumps(told))

    earlier = contest.cut_off(file, "p", {"cores": 2})
    second = Quick(tmp_path)
    *_, whole = contest.rounds(second, second.those(*names), 2, earlier)
    # What lands on a build has to have one of its own round below it.
    assert second.ran == ["everything", "gate", "day"]
    assert {name: len(one["runs"]) for name, one in whole.items()} == {
        "models": 2,
        "everything": 3,
        "gate": 2,
        "day": 2,
    }
    assert whole["models"] == measured["models"]
    assert whole["gate"]["models"] == {"m": 2.0}
    third = Quick(tmp_path)
    assert list(contest.rounds(third, third.those(*names), 2, whole)) == []
    for project, cores in (("q", 2), ("p", 4)):
        with pytest.raises(contest.Failed, match="of another project or machine"):
            contest.cut_off(file, project, {"cores": cores})
    assert contest.cut_off(tmp_path / "none.json", "p", {}) == {}
