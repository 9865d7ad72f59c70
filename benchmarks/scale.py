"""Times the stages of a build of many customers, each with its CPU time and peak memory.

`make bench SIZE=L` draws the raw files once into `BENCH_DATA` (build/bench), loads them stage by
stage (selectors.yml) and names the slowest models of each. Times are read, never asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import measured
from pipeline.settings import Settings

STAGES = ("figures", "evidence", "campaigns_and_value")
SLOWEST_SHOWN = 5
ROOT = Path(__file__).parents[1]


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


def main(arguments: list[str] | None = None) -> int:
    """Draw the data where they are missing, load them anew, print a line a stage and model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    options = parser.parse_args(arguments)
    data = raw_data(options.size)
    environment = {"RAW_DATA": str(data)}
    build_folder = Settings.from_environment({**os.environ, **environment}).build_folder
    shutil.rmtree(build_folder, ignore_errors=True)
    build_folder.mkdir(parents=True)
    dbt = str(Path(sys.executable).with_name("dbt"))
    print(f"{'stage':<32} {'seconds':>8} {'CPU s':>8} {'peak MB':>8}")
    commands = {"seeds": [dbt, "--quiet", "seed"]}
    commands |= {stage: [dbt, "--quiet", "run", "--selector", stage] for stage in STAGES}
    for stage, command in commands.items():
        before = cpu_seconds()
        seconds, peak_bytes, returncode = measured(command, ROOT, environment)
        cpu = cpu_seconds() - before
        print(f"{stage:<32} {seconds:>8.1f} {cpu:>8.1f} {peak_bytes / 1e6:>8.0f}", flush=True)
        if returncode:
            print(f"The stage {stage} failed; logs/dbt.log says why.", file=sys.stderr)
            return 1
        if stage in STAGES:
            for name, model_seconds in slowest():
                print(f"  {name:<30} {model_seconds:>8.1f}", flush=True)
    return 0


def raw_data(size: str) -> Path:
    """The folder of a size's raw files, drawn once; a half-drawn one is drawn again."""
    folder = Path(os.environ.get("BENCH_DATA") or ROOT / "build" / "bench").absolute() / size
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


def slowest() -> list[tuple[str, float]]:
    """The models that took longest in the run before, slowest first."""
    results = json.loads((ROOT / "target" / "run_results.json").read_text())["results"]
    times = [(row["unique_id"].rsplit(".", 1)[-1], row["execution_time"]) for row in results]
    return sorted(times, key=lambda one: -one[1])[:SLOWEST_SHOWN]


def cpu_seconds() -> float:
    """User and system seconds of all processes that ended under this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
