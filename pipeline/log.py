"""The log that machines read: one JSON object a line in `logs/segmart.jsonl`.

The only place where wall time is written; nothing in the warehouse depends on it.
"""

from __future__ import annotations

import json
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

LOG_FILE = Path("logs") / "segmart.jsonl"


def write(stage: str, event: str, level: str = "info", **fields: object) -> Path:
    """Append one line; returns the file's path as shown to a reader.

    A log that cannot be written never stops the work it tells of.
    """
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "stage": stage,
        "event": event,
        "pid": os.getpid(),
        **fields,
    }
    try:
        LOG_FILE.parent.mkdir(parents=True, exist_ok=True)
        with LOG_FILE.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    except OSError:
        pass
    return LOG_FILE


def write_exception(stage: str, error: BaseException) -> Path:
    """Append an unexpected error with its whole stack trace."""
    return write(
        stage,
        "failed",
        level="error",
        error_type=type(error).__name__,
        message=str(error),
        trace="".join(traceback.format_exception(error)),
    )
