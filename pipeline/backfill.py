"""Fill history month by month: `make backfill FROM=2026-01-31 TO=2026-05-31`.

Every month-end between the two is built, judged and entered into the source's state; nothing is
published for readers but the last build, which is made anew as of AS_OF, or the data's own date.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, timedelta

from pipeline import gate, load, publish, sentences
from pipeline.sentences import UserError
from pipeline.settings import Settings, iso_date


def main() -> int:
    """Build each month-end, then today's; the exit code of the first step that fails."""
    first, last = (_date(name) for name in ("FROM", "TO"))
    days = list(month_ends(first, last))
    if not days:
        raise UserError(f"There is no month-end from {first} to {last}; nothing to fill.")
    settings = Settings.from_environment()
    as_of = settings.as_of
    for day in days:
        print(f"As of {day} ...", flush=True)
        os.environ["AS_OF"] = day.isoformat()
        if failed := load.main() or gate.main():
            return failed
        publish.keep_history(Settings.from_environment())
    os.environ["AS_OF"] = as_of.isoformat() if as_of else ""
    failed = load.main() or gate.main()
    if not failed:
        publish.main()
    return failed


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
