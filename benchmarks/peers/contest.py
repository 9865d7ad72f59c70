"""Runs the project and its peers on the same files, in turn, and writes what each took.

`make bench SIZE=M` (REPEATS=3, ONLY=floor,polars, RESUME=1, ACCEPT=1). Before any time counts the
scripts' marts have to say what the project's build says (`check`). The run is written beside the
raw files and compared with the one committed in benchmarks/results; ACCEPT=1 puts it there, and
into docs/benchmarks.md and the README. A run of hours that was cut off goes on with RESUME=1,
unless the project changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import psutil  # type: ignore[import-untyped]

from benchmarks import scale, updates
from benchmarks.bench import Measurement, measured
from benchmarks.generate import positive
from benchmarks.peers import check, guard, page
from benchmarks.scale import DBT, ROOT, SIZES
from pipeline import finished
from pipeline.settings import TARGETS, Settings

PEERS_PYTHON = ROOT / ".venv-bi" / "peers" / "bin" / "python"
SCRIPTS = {"floor": "floor", "polars": "polars_script", "pandas": "pandas_script"}
# A build as `make load` makes it; another target would have dbt read the whole project anew.
BUILD = [DBT, "--quiet", "build", "--target", TARGETS[0], "--exclude-resource-type", "unit_test"]
MODELS_ALONE = ["--exclude-resource-type", "test"]
WITHIN = ["--selector", "peers", "--indirect-selection", "cautious"]
GATE = [sys.executable, "-m", "pipeline.gate"]
MAKE_BUILD = [sys.executable, "-m", "pipeline.build"]
# What asks of a build, or lands on it, means nothing without having made it.
OF_ONE_BUILD = ("everything", "gate", "unchanged", "published", "nothing new", "batch", "day")
# What a process that the system ended for want of memory says.
KILLED = (-9, 137)


class Failed(Exception):
    """A contestant that did not end well, in a sentence."""


@dataclass(frozen=True)
class Contestant:
    """One row of the table: how it is run, and what it wrote of its stages and models."""

    name: str
    run: Callable[[], tuple[Measurement, dict[str, Any]]]


class Contest:
    """The contestants on one size's files, and the folders they work in."""

    def __init__(self, size: str) -> None:
        self.data = scale.raw_data(size)
        self.out = self.data.with_name(f"{size}_out")
        self.out.mkdir(exist_ok=True)
        self.grown = self.data.with_name(f"{size}_grown")
        self.centres = self.out / "centres.json"
        self.root = project_copy(self.out / "project")
        self.stages = scale.stage_of_models(self.root, TARGETS[0])

    def contestants(self) -> list[Contestant]:
        """All of them, in the order of a round: what lands on a build comes after it."""
        return [
            Contestant("models", self.models),
            *(Contestant(name, partial(self.peer, script)) for name, script in SCRIPTS.items()),
            Contestant("tested", self.tested),
            Contestant("everything", self.everything),
            Contestant("gate", self.gate),
            Contestant("unchanged", self.unchanged),
            Contestant("published", self.published),
            Contestant("nothing new", self.nothing_new),
            Contestant("batch", self.batch),
            Contestant("day", self.day),
        ]

    def peer(self, script: str) -> tuple[Measurement, dict[str, Any]]:
        """A script in its own environment: it fits for itself, and assigns by the project's fit."""
        if not self.centres.is_file() or not self.build_file(self.data).is_file():
            raise Failed("The scripts need the project's centres; run models first, or with them.")
        out = self.out / script
        shutil.rmtree(out, ignore_errors=True)
        command = [str(PEERS_PYTHON), "-m", f"benchmarks.peers.{script}"]
        command += [str(self.data), str(out), "--centres", str(self.centres)]
        took = measured(command, ROOT, log=self.log(script))
        if took.returncode:
            return took, {}
        stages = json.loads((out / "stages.json").read_text())
        return took, {
            "stages": {stage["stage"]: stage["seconds"] for stage in stages},
            "stage_rows": {stage["stage"]: stage["rows"] for stage in stages},
        }

    def models(self) -> tuple[Measurement, dict[str, Any]]:
        """The models of the peers' marts, without tests, from nothing."""
        found = self.dbt(self.data, [*WITHIN, *MODELS_ALONE], fresh=True)
        check.export_centres(self.build_file(self.data), self.centres)
        return found

    def tested(self) -> tuple[Measurement, dict[str, Any]]:
        """The same models with their tests, from nothing."""
        return self.dbt(self.data, WITHIN, fresh=True)

    def everything(self) -> tuple[Measurement, dict[str, Any]]:
        """All models and tests, from nothing."""
        updates.grown_copy(self.data)
        # What an earlier round published would be its history.
        for name in ("published", "state"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        return self.dbt(self.grown, [], fresh=True)

    def gate(self) -> tuple[Measurement, dict[str, Any]]:
        """The gate over the whole build."""
        return self.command(GATE, "gate")

    def unchanged(self) -> tuple[Measurement, dict[str, Any]]:
        """A build of the same by dbt, which looks at every node."""
        return self.dbt(self.grown, [])

    def published(self) -> tuple[Measurement, dict[str, Any]]:
        """`make build` of the same: dbt, gate, published files and the report."""
        return self.command(MAKE_BUILD, "make build")

    def nothing_new(self) -> tuple[Measurement, dict[str, Any]]:
        """`make build` once more, which has nothing to do."""
        found = self.command(MAKE_BUILD, "nothing new")
        if not self.log("nothing new").read_text().startswith("Nothing has changed"):
            raise Failed(f"make build found something new; {self.log('nothing new')} says what.")
        return found

    def batch(self) -> tuple[Measurement, dict[str, Any]]:
        """A batch of corrections that touches 1 % of the customers."""
        updates.land_corrections(self.grown)
        return self.dbt(self.grown, [])

    def day(self) -> tuple[Measurement, dict[str, Any]]:
        """One more day of events, which moves the as-of date."""
        updates.land_a_day(self.grown, updates.as_of(self.build_file(self.grown)))
        return self.dbt(self.grown, [])

    def dbt(
        self, data: Path, options: Sequence[str], fresh: bool = False
    ) -> tuple[Measurement, dict[str, Any]]:
        """A build of some folder's files, told by stage and model."""
        if fresh:
            shutil.rmtree(self.build_file(data).parent, ignore_errors=True)
        took = measured([*BUILD, *options], self.root, source(data), self.log("dbt"))
        if took.returncode:
            return took, {}
        results = scale.run_results(self.root)
        return took, {
            "stages": scale.seconds_by_stage(results, self.stages),
            "models": scale.seconds_by_model(results),
        }

    def command(self, command: list[str], name: str) -> tuple[Measurement, dict[str, Any]]:
        """A command of the project over the build of everything."""
        return measured(command, self.root, source(self.grown), self.log(name)), {}

    def build_file(self, data: Path) -> Path:
        """The file that a build of some folder's files writes."""
        return Settings.from_environment(source(data), self.root).build_file

    def log(self, name: str) -> Path:
        """The file that holds what a contestant said."""
        return self.out / f"{name}.log"

    def differences(self, script: str) -> list[str]:
        """What a script's marts say otherwise than the build."""
        found = check.differences(self.build_file(self.data), self.out / script)
        return [f"{script}: {sentence}" for sentence in found]


def main(arguments: list[str] | None = None) -> int:
    """Run the contest and tell it; 1 where answers differ, a build fails or a model got slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--only", default="", help="contestants, by comma; all unless given")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was cut off")
    parser.add_argument("--accept", action="store_true", help="commit the run's numbers")
    options = parser.parse_args(arguments)
    contest = Contest(options.size)
    try:
        chosen = picked(contest.contestants(), options.only)
        result = {
            "size": options.size,
            "repeats": options.repeats,
            "project": project(),
            "machine": machine(),
            "rows": rows_of(contest.data),
        }
        written = contest.out / "result.json"
        earlier = cut_off(written, result["project"], result["machine"]) if options.resume else {}
        # Written run by run: what a run of hours has measured stays where its end does not come.
        result["contestants"] = earlier
        for runs in rounds(contest, chosen, options.repeats, earlier):
            result["contestants"] = {**earlier, **runs}
            unfinished = written.with_suffix(".new")
            unfinished.write_text(json.dumps(result, indent=1) + "\n")
            unfinished.replace(written)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(page.tables(result))
    committed = page.RESULTS / f"{options.size}.json"
    slower = guard.slower(result, json.loads(committed.read_text())) if committed.is_file() else []
    for sentence in slower:
        print(sentence)
    if options.accept:
        committed.parent.mkdir(exist_ok=True)
        shutil.copy(written, committed)
        page.write()
    return 1 if slower and not options.accept else 0


def rounds(
    contest: Contest,
    chosen: Sequence[Contestant],
    repeats: int,
    earlier: Mapping[str, Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Every contestant in turn, `repeats` times; after each run what has been measured so far.

    `earlier` is what a run measured that was cut off. The scripts' answers are checked in the first
    round. Raises Failed where answers differ, or where one fails that did not run out of memory.
    """
    names = [one.name for one in chosen]
    runs = {name: list(earlier.get(name, {}).get("runs", [])) for name in names}
    details = {name: [dict(earlier[name])] if name in earlier else [] for name in names}
    for number in range(1, repeats + 1):
        # Counted before the round: after what made the build, all that rests on it is due.
        due = [one.name for one in chosen if len(runs[one.name]) < number]
        if set(due) & set(OF_ONE_BUILD):
            due += OF_ONE_BUILD
        for one in chosen:
            if one.name not in due:
                continue
            took, told = one.run()
            ran_out = took.returncode in KILLED and one.name in SCRIPTS
            if took.returncode and not ran_out:
                raise Failed(
                    f"{one.name} ended with exit code {took.returncode}; {contest.out} says why."
                )
            runs[one.name].append(
                {
                    "seconds": round(took.seconds, 2),
                    "cpu_seconds": round(took.cpu_seconds, 2),
                    "peak_bytes": took.peak_bytes,
                    "read_bytes": took.read_bytes,
                    "out_of_memory": ran_out,
                }
            )
            details[one.name].append(told)
            print(f"{number}: {one.name:<12} {took.seconds:>8.1f} s", flush=True)
            if number == 1 and one.name in SCRIPTS and not ran_out:
                different = contest.differences(SCRIPTS[one.name])
                if different:
                    raise Failed("\n".join(different))
            yield {name: summary(runs[name], details[name]) for name in runs if runs[name]}


def cut_off(
    path: Path, project_hash: str, told_machine: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What the run measured that wrote `path`; raises Failed where it is of something else."""
    if not path.is_file():
        return {}
    result = json.loads(path.read_text())
    if (result.get("project"), result.get("machine")) != (project_hash, told_machine):
        raise Failed(
            f"{path} is of another project or machine than this; run without RESUME, which "
            "measures everything anew."
        )
    found: dict[str, dict[str, Any]] = result["contestants"]
    return found


def summary(runs: Sequence[dict[str, Any]], details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A contestant's runs with least and median times, and the least of each stage and model."""
    seconds = [run["seconds"] for run in runs]
    return {
        "min_seconds": min(seconds),
        "median_seconds": round(statistics.median(seconds), 2),
        "min_cpu_seconds": min(run["cpu_seconds"] for run in runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "out_of_memory": any(run["out_of_memory"] for run in runs),
        "runs": list(runs),
        "stages": least(details, "stages"),
        "stage_rows": next((told["stage_rows"] for told in details if "stage_rows" in told), {}),
        "models": least(details, "models"),
    }


def least(details: Sequence[dict[str, Any]], kind: str) -> dict[str, float]:
    """The least seconds of each stage or model over the runs, in the order of the first."""
    found: dict[str, float] = {}
    for told in details:
        for name, seconds in told.get(kind, {}).items():
            found[name] = round(min(found.get(name, seconds), seconds), 3)
    return found


def picked(contestants: Sequence[Contestant], only: str) -> list[Contestant]:
    """Those named, in the order of a round; raises Failed for a name that is none."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {one.name for one in contestants}
    for name in names:
        if name not in known:
            raise Failed(f"ONLY names {name}; the contestants are {', '.join(sorted(known))}.")
    return [one for one in contestants if not names or one.name in names]


def source(data: Path) -> dict[str, str]:
    """The environment of a build of some folder's files."""
    return {"RAW_DATA": str(data)}


def project_copy(folder: Path) -> Path:
    """The project as it is, where builds and published files are this contest's alone."""
    for name in finished.PROJECT:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in finished.project_files(ROOT):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return folder


def project() -> str:
    """What makes another measurement when it changes: a hash of files, and DuckDB's limits."""
    scripts = [*(ROOT / "benchmarks").rglob("*.py"), ROOT / "requirements-peers.lock"]
    limits = [os.environ.get(name, "") for name in ("MEMORY_LIMIT", "SPILL_FOLDER")]
    return "/".join(
        [finished.hash_of_files(sorted([*finished.project_files(ROOT), *scripts]), ROOT), *limits]
    )


def rows_of(data: Path) -> dict[str, int]:
    """Rows of each raw file."""
    found = {}
    with duckdb.connect() as connection:
        for path in sorted(data.iterdir()):
            parts = path / "*.parquet" if path.is_dir() else path
            row = connection.execute(f"select count(*) from '{parts}'").fetchone()
            found[path.stem] = int(row[0]) if row else 0
    return found


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name, where the system tells."""
    told = Path("/proc/cpuinfo")
    if told.is_file():
        for line in told.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    raise SystemExit(main())
