"""Fill history month by month: `make backfill FROM=2026-01-31 TO=2026-05-31`.

Every month-end between the two is built, judged and entered into the source's state; nothing is
published for readers but the last build, which is made anew as of AS_OF, or the data's own date.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta

from pipeline import publish, sentences
from pipeline.sentences import UserError
from pipeline.settings import Settings, iso_date


def main() -> int:
    """Build each month-end, then today's; the exit code of the first step that fails."""
    first, last = (_date(name) for name in ("FROM", "TO"))
    days = list(month_ends(first, last))
    if not days:
        raise UserError(f"There is no month-end from {first} to {last}; nothing to fill.")
    as_of = os.environ.get("AS_OF", "")
    for day in days:
        print(f"As of {day} ...", flush=True)
        if failed := _run(day.isoformat(), "load", "gate"):
            return failed
        publish.keep_history(Settings.from_environment())
    return _run(as_of, "load", "gate", "publish")


def _run(as_of: str, *steps: str) -> int:
    """Run steps of a build, each in its own process, as `make load` and the others run them."""
    for step in steps:
        done = subprocess.run(
            [sys.executable, "-m", f"pipeline.{step}"],
            env={**os.environ, "AS_OF": as_of},
            check=False,
        )
        if done.returncode:
            return done.returncode
    return 0


def month_ends(first: date, last: date) -> Iterator[date]:
    """The last days of months from `first` to `last`, both included, in order."""
    day = first
    while day <= last:
        end = (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        if end <= last:
            yield end
        day = end + timedelta(days=1)


def _date(name: str) -> date:
    found = iso_date(name, os.environ.get(name, ""))
    if found is None:
        raise UserError(f"{name} is not set; say make backfill FROM=2026-01-31 TO=2026-05-31.")
    return found


if __name__ == "__main__":
    sentences.run(main)
