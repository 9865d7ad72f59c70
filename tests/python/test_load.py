"""What `make load` says: failures as sentences, progress as lines, settings checked first."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from rendering import render, render_text

from pipeline.load import Progress, failure_sentences, sentence_of, stage_of_nodes
from pipeline.sentences import UserError
from pipeline.settings import MEMORY_LIMIT, Settings

PROJECT = Path(__file__).resolve().parents[2]


def node(name: str, kind: str = "model", path: str = "", **fields: Any) -> SimpleNamespace:
    path = path or f"models/staging/{name}.sql"
    return SimpleNamespace(name=name, resource_type=kind, original_file_path=path, **fields)


# --- sentences ---


def test_sentence_of_our_own_compiler_error_is_that_sentence_alone() -> None:
    message = (
        "Compilation Error in model stg_customers (models/staging/stg_customers.sql)\n"
        "  customers.csv in /data has no column customer_id; it is required.\n"
        "  \n"
        "  > in macro raw (macros/raw.sql)\n"
        "  > called by macro staged (macros/staging/rows.sql)\n"
        "  > called by model stg_customers (models/staging/stg_customers.sql)"
    )
    assert (
        sentence_of("stg_customers", message, node("stg_customers"))
        == "customers.csv in /data has no column customer_id; it is required."
    )


def test_sentence_of_our_own_error_in_sql_is_that_sentence_alone() -> None:
    message = (
        "Runtime Error in model data_quality (models/health/data_quality.sql)\n"
        "  Invalid Input Error: 12 % of the rows of customers are broken; the limit is 5 %."
    )
    assert (
        sentence_of("data_quality", message, node("data_quality"))
        == "12 % of the rows of customers are broken; the limit is 5 %."
    )


def test_sentence_of_a_parse_time_error_needs_no_node() -> None:
    message = (
        "Compilation Error in model segments (models/marts/segments.sql)\n"
        "  The segmentation behaviour has k = 0; k is at least 1."
    )
    assert sentence_of("", message) == "The segmentation behaviour has k = 0; k is at least 1."


def test_sentence_of_a_binder_error_names_the_file_and_drops_the_pointer() -> None:
    message = (
        "Runtime Error in model m (models/marts/m.sql)\n"
        '  Binder Error: Referenced column "nme" not found in FROM clause!\n'
        '  Candidate bindings: "name"\n'
        "  \n"
        '  LINE 5:     select nme from "warehouse"."main"."raw_c"\n'
        "                     ^"
    )
    assert (
        sentence_of("m", message, node("m", path="models/marts/m.sql"))
        == 'models/marts/m.sql failed: Binder Error: Referenced column "nme" not found in '
        "FROM clause!"
    )


def test_sentence_of_jinja_trouble_names_the_file() -> None:
    message = "Compilation Error in model m (models/marts/m.sql)\n  'ratoi' is undefined. Oh."
    assert sentence_of("m", message, node("m", path="models/marts/m.sql")).startswith(
        "models/marts/m.sql failed: 'ratoi' is undefined"
    )


def test_sentence_of_a_broken_contract_lists_the_columns() -> None:
    message = (
        "Compilation Error in model m (models/marts/m.sql)\n"
        "  This model has an enforced contract that failed.\n"
        "  Please ensure the name, data_type, and number of columns match.\n"
        "  \n"
        "  | column_name | definition_type | contract_type | mismatch_reason       |\n"
        "  | ----------- | --------------- | ------------- | --------------------- |\n"
        "  | a           | INTEGER         | VARCHAR       | data type mismatch    |\n"
        "  | b           |                 | INTEGER       | missing in definition |\n"
        "  \n"
        "  > in macro assert_columns_equivalent (macros/relations/column/columns_spec_ddl.sql)"
    )
    assert sentence_of("m", message, node("m")) == (
        "models/staging/m.sql failed: its columns break its contract: "
        "a (data type mismatch), b (missing in definition)."
    )


TRACE = (
    "Runtime Error in model fit (python_models/fit.py)\n"
    "  Python model failed:\n"
    "  Traceback (most recent call last):\n"
    '    File "/somewhere/environments/__init__.py", line 286, in run_python_job\n'
    "      df = module.model(dbt, con)\n"
    "           ^^^^^^^^^^^^^^^^^^^^^^\n"
    '    File "/tmp/tmp.py", line 2, in fit\n'
    "      raise\n"
    "  {last}\n"
    "  "
)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (
            "ValueError: behaviour cannot be fitted: 2 customers for k = 4.",
            "behaviour cannot be fitted: 2 customers for k = 4.",
        ),
        (
            "segmentation.errors.SpecificationError: behaviour names no features.",
            "behaviour names no features.",
        ),
        ("KeyError: 'age'", "python_models/fit.py failed: KeyError: 'age'"),
        ("ZeroDivisionError", "python_models/fit.py failed: ZeroDivisionError."),
    ],
)
def test_sentence_of_a_python_model_is_its_last_error(last: str, expected: str) -> None:
    fit = node("fit", path="python_models/fit.py")
    assert sentence_of("fit", TRACE.format(last=last), fit) == expected


def test_sentence_of_a_failing_test_says_what_how_many_and_how_to_see_them() -> None:
    test = node(
        "unique_stg_customers_customer_id",
        kind="test",
        attached_node="model.segmart.stg_customers",
        depends_on=SimpleNamespace(nodes=["model.segmart.stg_customers"]),
    )
    message = "Got 1200 results, configured to fail if != 0"
    assert sentence_of(test.name, message, test, failures=1200) == (
        "Test unique_stg_customers_customer_id of stg_customers found 1,200 rows that should not "
        "be there; see them with: .venv/bin/dbt show --select unique_stg_customers_customer_id"
    )


def test_sentence_of_a_locked_build_file_names_file_and_program() -> None:
    message = (
        'IO Error: Could not set lock on file "/somewhere/build/dev/demo/warehouse.duckdb": '
        "Conflicting lock is held in /usr/bin/python3.11 (PID 5062). However, you would be able "
        "to open this database in read-only mode. See also https://duckdb.org/docs"
    )
    assert sentence_of("", message, None, lambda path: "build/dev/demo/" + Path(path).name) == (
        "The build file build/dev/demo/warehouse.duckdb is open in another program (PID 5062); "
        "close it there, then run the same command again."
    )


def test_the_same_sentence_is_said_once_and_skipped_nodes_say_nothing() -> None:
    def result(name: str, status: str, message: str | None) -> SimpleNamespace:
        return SimpleNamespace(node=node(name), status=status, message=message, failures=None)

    lines = "Compilation Error in model {} (x.sql)\n  RAW_DATA holds no customers file."
    results = [
        result("a", "error", lines.format("a")),
        result("b", "error", lines.format("b")),
        result("c", "skipped", None),
        result("d", "success", "OK"),
    ]
    assert failure_sentences(results) == ["RAW_DATA holds no customers file."]


# --- progress ---


def manifest() -> SimpleNamespace:
    depends = SimpleNamespace(nodes=["model.p.stg_a", "model.p.b"])
    return SimpleNamespace(
        nodes={
            "seed.p.raw_a": node("raw_a", "seed", "seeds/raw_a.csv"),
            "model.p.stg_a": node("stg_a"),
            "model.p.b": node("b", path="models/marts/deep/b.sql"),
            "model.p.fit": node("fit", path="python_models/fit.py"),
            "model.p.e": node("e", config=SimpleNamespace(materialized="ephemeral")),
            "test.p.u": node("u", "test", "models/s.yml", attached_node="model.p.stg_a"),
            "test.p.both": node("both", "test", "tests/data/both.sql", depends_on=depends),
            "operation.p.hook": node("hook", "operation", "dbt_project.yml"),
        },
    )


def test_every_node_has_the_stage_of_its_folder_and_tests_that_of_what_they_test() -> None:
    assert stage_of_nodes(manifest()) == {
        "seed.p.raw_a": "seeds",
        "model.p.stg_a": "staging",
        "model.p.b": "marts",
        "model.p.fit": "fits",
        "test.p.u": "staging",
        "test.p.both": "marts",
    }


def test_a_line_a_finished_stage_and_a_heartbeat_in_silence() -> None:
    out, now = io.StringIO(), [0.0]
    progress = Progress(out, clock=lambda: now[0])
    now[0] = 3.0
    progress.expect(stage_of_nodes(manifest()))
    progress.note("seed.p.raw_a", finished=False)
    now[0] = 4.0
    progress.note("seed.p.raw_a", finished=True)
    progress.heartbeat()
    progress.note("model.p.stg_a", finished=True)
    now[0] = 15.5
    progress.heartbeat()
    progress.note("test.p.u", finished=True)
    progress.note("test.p.u", finished=True)
    progress.finish()
    assert out.getvalue().splitlines() == [
        "   3.0 s  read         6 nodes",
        "   4.0 s  seeds           1 of 6 nodes",
        "  15.5 s  staging         2 of 6 nodes",
        "  15.5 s  staging         3 of 6 nodes",
        "  15.5 s  fits            3 of 6 nodes",
        "  15.5 s  marts           3 of 6 nodes",
    ]


# --- what a run leaves in the build file ---


@pytest.mark.parametrize(
    ("said", "is_complete"),
    [
        ({}, True),
        ({"exclude_resource_types": ()}, True),
        ({"exclude_resource_types": ("unit_test",)}, True),
        ({"exclude_resource_types": ("unit_test", "test")}, False),
        ({"exclude_resource_types": ("test",)}, False),
        ({"resource_types": ("model",)}, False),
        ({"select": ("segments",)}, False),
        ({"exclude": ("segments",)}, False),
        ({"selector": "figures"}, False),
        ({"exclude_resource_types": ("unit_test",), "select": ("segments",)}, False),
    ],
)
def test_a_build_without_unit_tests_is_whole_and_one_without_anything_else_is_not(
    said: dict[str, object], is_complete: bool
) -> None:
    last = state_after(said)
    assert (" true as is_complete" in last) == is_complete
    assert (" false as is_complete" in last) != is_complete


@pytest.mark.parametrize(
    ("standing", "renewal", "is_complete"),
    [(("b", "c"), "tests", True), (("b",), "tests", False), (("b", "c"), "", False)],
)
def test_the_second_half_of_a_renewal_is_whole_where_all_it_left_out_stands(
    standing: tuple[str, ...], renewal: str, is_complete: bool
) -> None:
    last = state_after({"select": ("a",)}, standing, renewal)
    assert (" true as is_complete" in last) == is_complete


def state_after(said: dict[str, object], standing: tuple[str, ...] = (), renewal: str = "") -> str:
    """What a green dbt build of node a, of a, b and c, writes as the build's state."""
    statements: list[str] = []
    nodes = {
        name: SimpleNamespace(
            unique_id=name, resource_type="model", config=SimpleNamespace(materialized="table")
        )
        for name in "abc"
    }
    render(
        "close_build_state(results)",
        results=[SimpleNamespace(status="pass", node=nodes["a"])],
        environment={"SEGMART_RENEWAL": renewal},
        flags=SimpleNamespace(WHICH="build", EMPTY=False),
        graph=SimpleNamespace(nodes=nodes, recipes=dict.fromkeys(standing)),
        invocation_args_dict=said,
        invocation_id="run",
        target=SimpleNamespace(name="dev"),
        run_query=statements.append,
    )
    return statements[-1]


# --- settings ---


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").write_text("vars: {published_versions_kept: 7}\n")
    return tmp_path


def test_dbt_and_the_other_commands_give_duckdb_the_same_memory() -> None:
    targets = yaml.safe_load((PROJECT / "profiles" / "profiles.yml").read_text())["segmart"][
        "outputs"
    ]
    limits = {
        name: render_text(target["settings"]["memory_limit"])
        for name, target in targets.items()
        if "memory_limit" in target.get("settings", {})
    }
    assert limits == dict.fromkeys(("dev", "prod"), MEMORY_LIMIT)


def test_the_demo_on_dev_is_the_default(root: Path) -> None:
    settings = Settings.from_environment({}, root)
    assert settings.raw_data is None
    assert settings.build_file == root / "build" / "dev" / "demo" / "warehouse.duckdb"
    assert settings.published_folder == root / "published"
    assert settings.published_versions_kept() == 7


def test_a_folder_is_known_by_its_absolute_path_however_it_is_written(root: Path) -> None:
    (root / "files").mkdir()
    expected = hashlib.md5(str(root / "files").encode()).hexdigest()[:8]
    for written in ("files", "files/", "./files", str(root / "files") + "/"):
        settings = Settings.from_environment({"RAW_DATA": written, "SEGMART_TARGET": "prod"}, root)
        assert settings.raw_data == root / "files"
        assert settings.source_key == expected
        assert settings.build_folder == root / "build" / "prod" / expected
        assert settings.published_folder == root / "published-prod"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RAW_DATA": "/no/such/folder"}, "RAW_DATA names /no/such/folder, which is not a folder"),
        ({"AS_OF": "2026-02-30"}, "AS_OF is 2026-02-30, which is no date"),
        ({"AS_OF": "20260228"}, "AS_OF is 20260228, which is no date"),
        ({"SEGMART_TARGET": "test"}, "SEGMART_TARGET names test; the targets are dev and prod"),
        ({"MEMORY_LIMIT": "much"}, "MEMORY_LIMIT is much, which is no amount; write it like 8GB"),
        ({"MEMORY_LIMIT": ""}, "MEMORY_LIMIT is empty, which is no amount"),
        ({"SEGMART_FORCE": "older,yes"}, "SEGMART_FORCE names yes, which nothing asks for"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    root: Path, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match="^" + said):
        Settings.from_environment(environment, root)


# --- as a command ---

TOY = {
    "dbt_project.yml": (
        "name: toy\nversion: 1.0.0\nprofile: toy\nflags: {send_anonymous_usage_stats: false}\n"
    ),
    "profiles.yml": (
        "toy: {target: dev, outputs: {dev: {type: duckdb, threads: 2, "
        "path: build/dev/demo/warehouse.duckdb}}}\n"
    ),
    "models/staging/stg_a.sql": "select 1 as id\n",
    "models/marts/b.sql": "select * from {{ ref('stg_a') }}\n",
}


def load(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    for name in ("RAW_DATA", "AS_OF", "SEGMART_TARGET", "SEGMART_FORCE", "PUBLISHED"):
        clean.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "pipeline.load"],
        cwd=root,
        env={**clean, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in TOY.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_green_load_prints_its_stages_and_little_else(toy: Path) -> None:
    done = load(toy)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # A slow machine is told every ten seconds that the work goes on.
    stages = [name for name, _ in groupby(line.split()[2] for line in lines[:-1])]
    assert [name for name in stages if name != "reading"] == ["read", "staging", "marts"]
    assert lines[-2].endswith("2 of 2 nodes")
    assert lines[-1] == (
        "The build is in build/dev/demo/warehouse.duckdb; `make gate` judges it next."
    )
    assert done.stderr == ""
    assert "stg_a" in (toy / "logs" / "dbt.log").read_text()


def test_a_red_load_ends_with_sentences_and_exit_code_1(toy: Path) -> None:
    for number in range(7):
        (toy / f"models/staging/stg_broken_{number}.sql").write_text("select nme from nowhere\n")
    (toy / "models/marts/b.sql").write_text("select * from {{ ref('stg_broken_0') }}\n")
    done = load(toy)
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert len(said) == 7
    assert said[0].startswith("models/staging/stg_broken_")
    assert said[5] == "and 2 more in logs/dbt.log."
    assert said[6].startswith("The build failed: 7 nodes failed and 1 node behind them did not run")


def test_a_build_file_open_elsewhere_is_a_sentence(toy: Path) -> None:
    (toy / "build/dev/demo").mkdir(parents=True)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "connection = duckdb.connect('build/dev/demo/warehouse.duckdb')\n"
            "print('open', flush=True)\n"
            "sys.stdin.read()\n",
        ],
        cwd=toy,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        done = load(toy)
    finally:
        holder.communicate("")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"The build file build/dev/demo/warehouse.duckdb is open in another program "
        f"(PID {holder.pid}); close it there, then run the same command again."
    ]


def test_an_unexpected_error_is_one_sentence_and_the_trace_is_in_the_log(toy: Path) -> None:
    script = (
        "from pipeline.sentences import run\n"
        "def main():\n"
        "    return len(3)\n"
        "run(main, 'make load')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=toy,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "make load failed unexpectedly: TypeError: object of type 'int' has no len(); "
        "the details are in logs/segmart.jsonl."
    ]
    assert "Traceback" in (toy / "logs" / "segmart.jsonl").read_text()
