"""Errors as sentences: what a person at the console reads when a command cannot go on."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipeline import log

EXIT_REFUSED = 1
EXIT_UNEXPECTED = 2
EXIT_INTERRUPTED = 130

_DISK_IS_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|max_temp_directory_size|failed to offload"
)
_FILE = re.compile(r"""["'](?P<file>/[^"']+)["']""")
_DUCKDB_NEEDS_MEMORY = re.compile(r"Out of Memory Error(?:.*?/(?P<limit>[\d.]+ \w+) used\))?", re.S)
_PYTHON_NEEDS_MEMORY = re.compile(r"MemoryError\b|bad_alloc\b")


class UserError(Exception):
    """One sentence that says what is wrong and what to do; shown without a stack trace."""


def run(main: Callable[[], int | None], command: str | None = None) -> NoReturn:
    """Run a command's `main` and leave the process with its exit code.

    0 or what `main` returns; 1 after a `UserError`, whose sentence goes to stderr; 2 after
    anything unexpected, which is written in full to the log; 130 after Ctrl-C. `command` is the
    name shown to the reader; by default it follows from the module (`pipeline.load` is
    `make load`).
    """
    command = command or _command_name()
    try:
        code = main() or 0
    except UserError as error:
        log.write(command, "refused", level="error", message=str(error))
        _tell(str(error))
        code = EXIT_REFUSED
    except KeyboardInterrupt:
        log.write(command, "interrupted", level="warning")
        _tell(f"{command} was interrupted.")
        code = EXIT_INTERRUPTED
    except Exception as error:
        where = log.write_exception(command, error)
        sentence = of_too_small_a_machine(f"{type(error).__name__}: {error}", command)
        code = EXIT_REFUSED if sentence else EXIT_UNEXPECTED
        _tell(
            sentence
            or f"{command} failed unexpectedly: {type(error).__name__}: {one_line(str(error))}; "
            f"the details are in {where}."
        )
    sys.exit(code)


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def of_os_error(error: OSError) -> str:
    """What the operating system refused, in words: "no space is left in /data"."""
    where = f" in {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left{where}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"permission is denied{where}"
    if error.errno == errno.EROFS:
        return f"the file system is read-only{where}"
    return f"{(error.strerror or str(error)).lower()}{where}"


def of_too_small_a_machine(
    message: str, about: str, shown: Callable[[Path], str] = str
) -> str | None:
    """What to do where an error's message says that disk or memory ran out; else None.

    `about` is what was being made, `shown` shortens a path.
    """
    if _DISK_IS_FULL.search(message):
        file = _FILE.search(message)
        where = f" on the disk of {shown(Path(file['file']).parent)}" if file else ""
        return (
            f"No space is left{where}; make room there, or let DuckDB spill to another disk "
            "(SPILL_FOLDER), then run the same command again."
        )
    if needed := _DUCKDB_NEEDS_MEMORY.search(message):
        limit = f" ({needed['limit']})" if needed["limit"] else ""
        return (
            f"{about} needs more memory than DuckDB may use{limit}; give it more, such as "
            "MEMORY_LIMIT=8GB, and run the same command again."
        )
    if _PYTHON_NEEDS_MEMORY.search(message):
        return f"{about} needs more memory than is free here; free some, or use a larger machine."
    return None


def _command_name() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = spec.name if spec is not None else sys.argv[0]
    return "make " + str(name).rsplit(".", maxsplit=1)[-1]


def _tell(sentence: str) -> None:
    sys.stdout.flush()
    print(sentence, file=sys.stderr, flush=True)
