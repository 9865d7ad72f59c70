"""Times what a newcomer runs, in a fresh clone, with the peak memory of the process tree.

`make bench`: a first `make build` (install included), a second one, and `dbt build`. Times are
read, never asserted: a machine is as fast as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]

COMMANDS = {
    "make build, install included": ["make", "build"],
    "make build again": ["make", "build"],
    "dbt build": [".venv/bin/dbt", "build"],
}
SAMPLE_SECONDS = 0.05


def main() -> int:
    """Clone the project, run each command in the clone, print one line each."""
    print(f"{'command':<32} {'seconds':>8} {'peak MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "segmart"
        subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
        for name, command in COMMANDS.items():
            seconds, peak_bytes, returncode = measured(command, clone)
            print(f"{name:<32} {seconds:>8.1f} {peak_bytes / 1e6:>8.0f}", flush=True)
            if returncode:
                print(f"{name} ended with exit code {returncode}.", file=sys.stderr)
                return 1
    return 0


def measured(
    command: list[str], folder: Path, source: Mapping[str, str] | None = None
) -> tuple[float, int, int]:
    """Wall seconds, peak resident bytes of the process tree (sampled), and exit code.

    `source` holds the variables of the raw data that the command is to load; the demo without it.
    """
    environment = {**os.environ, "PATH": f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"}
    # The caller's own sources, folders and virtual environment are not what is measured.
    for name in (
        "RAW_DATA",
        "RAW_FORMAT",
        "AS_OF",
        "PUBLISHED",
        "VIRTUAL_ENV",
        "MAKEFLAGS",
        "MAKELEVEL",
    ):
        environment.pop(name, None)
    environment |= source or {}
    started = time.monotonic()
    process = psutil.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident_bytes(process))
        time.sleep(SAMPLE_SECONDS)
    return time.monotonic() - started, peak, int(process.returncode)


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
