"""Files that are whole whenever somebody looks, and locks that go with the process holding them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.sentences import UserError

# What begins so was not put in place, and is nobody's once its writer is gone.
WORK_PREFIX = ".new-"


def write_whole(path: Path, text: str) -> None:
    """Replace the file in one step, after its text is on the disk."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f"{WORK_PREFIX}{path.name}")
    with temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def sync(path: Path) -> None:
    """Wait until the file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, refused: str) -> Iterator[None]:
    """Hold a lock, which the system frees when this process dies.

    Raises UserError with the sentence `refused` where another process holds it.
    """
    with path.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(refused) from error
        yield
