"""Raw files of many customers, drawn once, and the stages that a build of them is told by."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DBT = str(Path(sys.executable).with_name("dbt"))
# Selectors of selectors.yml; everything else a build does is told as `seeds` and `tests`.
STAGES = ("figures", "evidence", "campaigns_and_value")


@dataclass(frozen=True)
class Size:
    """Customers, and the transactions and engagement rows each of them has on average."""

    customers: int
    transactions: int
    engagements: int


SIZES = {
    "S": Size(4_000, 50, 12),
    "M": Size(100_000, 50, 12),
    "L": Size(1_000_000, 50, 12),
}


def bench_folder() -> Path:
    """Where raw files and outputs of benchmarks lie."""
    return Path(os.environ.get("BENCH_DATA") or ROOT / "build" / "bench").absolute()


def raw_data(size: str) -> Path:
    """The folder of a size's raw files, drawn once; a half-drawn one is drawn again."""
    folder = bench_folder() / size
    if not folder.is_dir():
        begun = folder.with_name(f"{size}.begun")
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir(parents=True)
        told = SIZES[size]
        generate = [sys.executable, "-m", "benchmarks.generate", "--out", str(begun)]
        generate += ["--format", "parquet", "--customers", str(told.customers)]
        generate += ["--transactions-per-customer", str(told.transactions)]
        generate += ["--engagements-per-customer", str(told.engagements)]
        subprocess.run(generate, check=True, cwd=ROOT)
        begun.rename(folder)
    return folder


def stage_of_models(project: Path, target: str) -> dict[str, str]:
    """The stage of every model of a project's folder, by its unique id."""
    found = {}
    for stage in STAGES:
        command = [DBT, "--quiet", "ls", "--target", target, "--selector", stage]
        command += ["--resource-type", "model"]
        told = subprocess.run(
            [*command, "--output", "json", "--output-keys", "unique_id"],
            cwd=project,
            check=True,
            capture_output=True,
            text=True,
        )
        for line in told.stdout.splitlines():
            found[json.loads(line)["unique_id"]] = stage
    return found


def run_results(project: Path) -> list[dict[str, Any]]:
    """What dbt wrote of the nodes of its last run in a project's folder."""
    path = project / "target" / "run_results.json"
    results: list[dict[str, Any]] = json.loads(path.read_text())["results"]
    return results


def seconds_by_model(results: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds of each model, by its name."""
    return {
        row["unique_id"].rsplit(".", 1)[-1]: row["execution_time"]
        for row in results
        if row["unique_id"].startswith("model.")
    }


def seconds_by_stage(results: list[dict[str, Any]], stages: Mapping[str, str]) -> dict[str, float]:
    """Seconds of the nodes of each stage, of two threads together."""
    found: dict[str, float] = defaultdict(float)
    for row in results:
        kind = row["unique_id"].split(".", 1)[0]
        found[stages[row["unique_id"]] if kind == "model" else f"{kind}s"] += row["execution_time"]
    return dict(found)
