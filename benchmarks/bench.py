"""Times what a newcomer runs, in a fresh clone, with the peak memory of the process tree.

`make bench`: a first `make build` (install included), a second one, and `dbt build`. Times are
read, never asserted: a machine is as fast as it is.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

COMMANDS = {
    "make build, install included": ["make", "build"],
    "make build again": ["make", "build"],
    "dbt build": [".venv/bin/dbt", "build"],
}
SAMPLE_SECONDS = 0.05
# Settings and surroundings of whoever runs the benchmark.
OTHERS = (
    *("AS_OF", "PUBLISHED", "RAW_DATA", "RAW_FORMAT", "REPORT", "STATE"),
    *("MAKEFLAGS", "MAKELEVEL", "VIRTUAL_ENV"),
)


@dataclass(frozen=True)
class Measurement:
    """What a command took, with all its children; `read_bytes` is None where nobody says."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    read_bytes: int | None
    returncode: int


def main() -> int:
    """Clone the project, run each command in the clone, print one line each."""
    print(f"{'command':<32} {'seconds':>8} {'peak MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "segmart"
        subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
        for name, command in COMMANDS.items():
            took = measured(command, clone)
            print(f"{name:<32} {took.seconds:>8.1f} {took.peak_bytes / 1e6:>8.0f}", flush=True)
            if took.returncode:
                print(f"{name} ended with exit code {took.returncode}.", file=sys.stderr)
                return 1
    return 0


def measured(
    command: list[str],
    folder: Path,
    source: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Measurement:
    """Run a command and measure its process tree; memory is resident and sampled.

    Peak memory is what stood for two samples: a child that is being started shows its parent's as
    its own for a moment.
    `source` holds the variables of the raw data that the command is to load; the demo without it.
    What the command says goes to the file `log`.
    """
    environment = {**os.environ, "PATH": f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"}
    # The caller's own sources, folders and virtual environment are not what is measured.
    environment = {
        name: value
        for name, value in environment.items()
        if name not in OTHERS and not name.startswith(("DBT_", "SEGMART_"))
    }
    environment |= source or {}
    with open(log or os.devnull, "w") as said:
        cpu_before = cpu_seconds()
        started = time.monotonic()
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        peak = before = 0
        read = None
        while process.poll() is None:
            now = resident_bytes(process)
            peak, before = max(peak, min(before, now)), now
            read = read_bytes(process) or read
            time.sleep(SAMPLE_SECONDS)
        seconds = time.monotonic() - started
    return Measurement(seconds, cpu_seconds() - cpu_before, peak, read, int(process.returncode))


def cpu_seconds() -> float:
    """User and system seconds of all processes that ended under this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_bytes(process: psutil.Popen) -> int | None:
    """Bytes read by a process and its ended children, from files or the cache of files.

    What is mapped into memory is not among them. None where the system does not count.
    """
    try:
        return int(process.io_counters().read_chars)
    except (AttributeError, psutil.Error):
        return None


def resident_bytes(process: psutil.Popen) -> int:
    """Resident memory of a process and all its children; those that just ended count nothing."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    raise SystemExit(main())
