"""Whether a file is what it was: its stamp, and the hash of its content, seldom read."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.csv_files import file_hash

# A file written to so recently may be written to again without its time showing it.
_SETTLED_SECONDS = 2.0


@dataclass(frozen=True)
class Stamp:
    """What tells that a file was written to or replaced, without reading it."""

    byte_count: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file that is there."""
        state = path.stat()
        return cls(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


class FileHashes:
    """What `file_hash` says of files, each looked into once.

    What was found out is kept in a JSON file. A file that is damaged, or gone, costs a reading.
    """

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._lock = threading.Lock()
        self._known: dict[str, list[int | str]] = _read(notes)

    def of(self, path: str) -> str:
        """Return the hash of a file's bytes."""
        state = os.stat(path)
        with self._lock:
            known = self._known.get(path)
        if known and known[:2] == [state.st_size, state.st_mtime_ns]:
            return str(known[2])
        found = file_hash(path)
        if time.time() - state.st_mtime > _SETTLED_SECONDS:
            with self._lock:
                self._known[path] = [state.st_size, state.st_mtime_ns, found]
                unfinished = self._notes.with_suffix(".begun")
                unfinished.write_text(json.dumps(self._known), encoding="utf-8")
                unfinished.replace(self._notes)
        return found


def _read(notes: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
        return {path: list(row) for path, row in known.items() if len(row) == 3}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
