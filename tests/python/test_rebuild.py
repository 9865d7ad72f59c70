"""What a resident process builds again after new files is what a whole build makes of them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest
from conftest import copy_project, others_environment

from benchmarks import generate
from pipeline import load
from pipeline.rebuild import Rebuild
from pipeline.settings import Settings

pytestmark = pytest.mark.long

# Builds a bank, lands files one after the other, and says after each what the build file holds.
PROCESS = """
import json, os, shutil, sys
from pathlib import Path
import duckdb
from pipeline import load
from pipeline.rebuild import Rebuild
from pipeline.settings import Settings

def say(label, failures, passed):
    with duckdb.connect(str(settings.build_file), read_only=True) as file:
        state = file.execute("select is_complete, is_green from internal.build_state").fetchall()
        recipes = file.execute("select node_id, recipe || content from internal.recipes").fetchall()
        amounts = file.execute(
            "select sum(total_amount)::double from marts.segment_month_transactions"
        ).fetchall()
        fits = file.execute("select count(*) from segments.segment_fits").fetchall()[0][0]
        kept = file.execute("from duckdb_tables() where table_name like 'kept_%'").fetchall()
    told = dict(label=label, failures=failures, passed=passed, state=state[0], amount=amounts[0][0])
    more = dict(recipes=dict(recipes), fits=fits, kept=len(kept))
    print("said " + json.dumps(told | more), flush=True)

settings = Settings.from_environment()
rebuild = Rebuild(settings)
say("first", *rebuild())
def land(landing):
    shutil.copy(landing, settings.raw_data / "transactions" / "new.csv")
    say(landing.stem, *rebuild())

*landings, last = sorted(Path(sys.argv[1]).iterdir())
for landing in landings:
    land(landing)
say("whole", *load.build(settings))
say("after another's", *rebuild())

# As if the process had been killed after it had made the models, with a fit that no test has seen.
os.environ["SEGMART_RENEWAL"] = "models"
load.run_dbt(settings, load.parse(settings), "info", ["--select", "as_of"], {})
del os.environ["SEGMART_RENEWAL"]
with duckdb.connect(str(settings.build_file)) as file:
    file.execute("insert into segments.segment_fits from segments.segment_fits limit 1")
say("killed", [], True)
shutil.copy(last, settings.raw_data / "transactions" / "new.csv")
say(last.stem, *load.build(settings))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the process said, with how many nodes dbt read in each of its runs before."""
    folder = tmp_path_factory.mktemp("rebuild")
    project, raw, landings = folder / "project", folder / "raw", folder / "landings"
    copy_project(project)
    generate.main(["--customers", "300", "--clean", "--out", str(raw)])
    landings.mkdir()
    promises = project / "models" / "staging" / "_staging.yml"
    promise = "- {columns: [amount], min: 0.01}"
    assert promises.read_text().count(promise) == 1
    promises.write_text(
        promises.read_text().replace(promise, "- {columns: [amount], min: 0.01, max: 90000}")
    )
    (raw / "transactions").mkdir()
    parts = (raw / "transactions.csv").rename(raw / "transactions" / "a.csv")
    with parts.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for name, row in {
        "1_landed": rows[50] | {"transaction_id": "landed", "amount": "1234.00"},
        "2_broken": {"no": "columns"},
        "3_mended": rows[50] | {"transaction_id": "landed", "amount": "1000.00"},
        "4_corrected": rows[50] | {"transaction_id": "landed", "amount": "500.00"},
        "5_too_large": rows[50] | {"transaction_id": "landed", "amount": "99000.00"},
    }.items():
        with (landings / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(row))
            writer.writeheader()
            writer.writerow(row)
    finished = subprocess.run(
        [sys.executable, "-c", PROCESS, str(landings)],
        cwd=project,
        env=others_environment() | {"PWD": str(project), "RAW_DATA": str(raw)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-3000:]
    told: list[dict[str, Any]] = []
    runs: list[int] = []
    for line in finished.stdout.splitlines():
        if line.startswith("said "):
            told.append(json.loads(line.removeprefix("said ")) | {"runs": runs})
            runs = []
        elif " read " in line:
            runs.append(int(line.split()[3]))
    told[-1]["log"] = (project / "logs" / "dbt.log").read_text()
    return told


def test_new_files_are_built_to_what_a_whole_build_makes(said: list[dict[str, Any]]) -> None:
    by_label = {one["label"]: one for one in said}
    every_node = by_label["first"]["runs"][0]
    for name in ("1_landed", "4_corrected"):
        assert by_label[name]["passed"]
        assert by_label[name]["failures"] == []
        assert by_label[name]["state"] == [True, True]
        # All models, and the tests of what came out otherwise.
        models, tests = by_label[name]["runs"]
        assert 0 < tests < every_node - models
    amounts = {name: one["amount"] for name, one in by_label.items()}
    assert amounts["1_landed"] > amounts["3_mended"] > amounts["4_corrected"] > amounts["first"]
    # A whole build finds nothing to make or to ask, and the same in every table.
    assert by_label["whole"]["recipes"] == by_label["4_corrected"]["recipes"]
    assert by_label["after another's"]["runs"] == [every_node]


def test_what_fails_is_told_by_a_whole_build_and_the_next_file_is_built_whole(
    said: list[dict[str, Any]],
) -> None:
    by_label = {one["label"]: one for one in said}
    broken = by_label["2_broken"]
    assert not broken["passed"]
    assert broken["state"] == [False, False]
    assert len(broken["runs"]) == 2
    assert "has no column transaction_id" in broken["failures"][0]
    assert by_label["3_mended"]["passed"]
    assert by_label["3_mended"]["runs"] == by_label["first"]["runs"]
    assert by_label["3_mended"]["state"] == [True, True]


def test_what_was_appended_before_tests_were_asked_is_taken_back(
    said: list[dict[str, Any]],
) -> None:
    by_label = {one["label"]: one for one in said}
    fits = by_label["first"]["fits"]
    assert (by_label["killed"]["fits"], by_label["killed"]["kept"]) == (fits + 1, 6)
    assert by_label["killed"]["state"] == [False, True]
    for label in ("1_landed", "4_corrected", "5_too_large"):
        assert (by_label[label]["fits"], by_label[label]["kept"]) == (fits, 0)


def test_a_promise_that_touched_rows_break_is_told(said: list[dict[str, Any]]) -> None:
    broken = said[-1]
    assert broken["label"] == "5_too_large"
    assert not broken["passed"]
    assert any("stg_transactions" in sentence for sentence in broken["failures"])
    # The test was asked of the touched customers' rows; no model groups by this key.
    assert re.search(r"from temp\.stg_transactions\s+group by transaction_id", broken["log"])


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param("drop table internal.recipes", id="another build was killed"),
        pytest.param("update internal.build_state set build_id = 'b'", id="another build ended"),
        pytest.param(None, id="the build file is gone"),
    ],
)
def test_what_others_do_to_the_build_file_meanwhile_has_it_built_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str | None
) -> None:
    settings = SimpleNamespace(build_file=tmp_path / "warehouse.duckdb")
    built: list[str] = []

    def build(*_: object) -> tuple[list[str], bool]:
        built.append("whole")
        with duckdb.connect(str(settings.build_file)) as file:
            file.execute("create schema if not exists internal")
            file.execute(
                "create or replace table internal.build_state as"
                " select 'a' as build_id, true as is_complete, true as is_green"
            )
            file.execute(
                "create or replace table internal.recipes as"
                " select 'seed.segmart.channels' as node_id, 'c' as content"
            )
        return [], True

    node = SimpleNamespace(schema="seeds", alias="channels", resource_type="seed")
    manifest = SimpleNamespace(nodes={"seed.segmart.channels": node})
    monkeypatch.setattr(load, "prepare", lambda _: None)
    monkeypatch.setattr(load, "parse", lambda _: manifest)
    monkeypatch.setattr(load, "build", build)
    rebuild = Rebuild(cast(Settings, settings))
    assert rebuild.relations() == {}
    assert rebuild() == ([], True)
    assert rebuild.relations() == {"seeds.channels": "c"}
    if meanwhile is None:
        settings.build_file.unlink()
    else:
        with duckdb.connect(str(settings.build_file)) as file:
            file.execute(meanwhile)
    assert rebuild() == ([], True)
    assert built == ["whole", "whole"]
