"""A look at a CSV file before DuckDB reads it: its encoding, line ends and header."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20


class UnreadableCsv(Exception):
    """A file that cannot be read as CSV; the text is one sentence that says what to do."""


@dataclass(frozen=True)
class CsvFile:
    """A file DuckDB can read: UTF-8, one kind of line end; `header` holds the names as written."""

    path: Path
    header: list[str]


def open_csv(path: Path, encoding: str, delimiter: str, decoded_folder: Path) -> CsvFile:
    """Find the header of `path`; decode it into `decoded_folder` where DuckDB could not read it.

    A copy is made only for an encoding other than UTF-8 and for files that mix line ends; it is
    reused as long as the file's size and time of change stay the same.

    Raises UnreadableCsv, naming the file and what to do.
    """
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise UnreadableCsv(
            f"RAW_FORMAT names the encoding {encoding!r}, which does not exist; "
            "use a name such as utf-8, latin-1 or windows-1252."
        ) from None
    with path.open("rb") as file:
        start = file.read(4)
    if codec == "utf-8" and start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableCsv(
            f"{path.name} is UTF-16, not UTF-8; save it as UTF-8, "
            "or set RAW_FORMAT to '{encoding: utf-16}'."
        )
    readable = path
    if codec != "utf-8" or not _has_one_line_end(path):
        readable = _decoded_copy(path, codec, decoded_folder)
    return CsvFile(readable, _header(readable, path.name, delimiter))


def file_hash(path: str) -> str:
    """The md5 of a file's bytes, as hex: tells inputs apart, protects nothing."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _has_one_line_end(path: Path) -> bool:
    """True for files of "\\n" or of "\\r\\n" alone, which is what DuckDB's strict reader takes."""
    line_feeds = returns = both = 0
    last = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            line_feeds += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            both += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
            last = chunk[-1:]
    mixed = 0 < both < line_feeds
    only_returns = line_feeds == 0 and returns > 0
    return not mixed and not only_returns


def _decoded_copy(path: Path, codec: str, folder: Path) -> Path:
    state = path.stat()
    mark = f"{path.resolve()}|{codec}|{state.st_size}|{state.st_mtime_ns}"
    copy = folder / hashlib.md5(mark.encode()).hexdigest()[:12] / path.name
    if copy.exists():
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    unfinished = copy.with_suffix(f".{os.getpid()}")
    try:
        # UTF-8 keeps its bad bytes, so that DuckDB can reject the lines that hold them.
        errors = "surrogateescape" if codec == "utf-8" else "strict"
        with (
            path.open(encoding=codec, errors=errors, newline=None) as source,
            unfinished.open("w", encoding="utf-8", errors=errors, newline="\n") as target,
        ):
            while text := source.read(_CHUNK_BYTES):
                target.write(text)
    except UnicodeError as problem:
        unfinished.unlink(missing_ok=True)
        raise UnreadableCsv(
            f"{path.name} is not {codec} ({problem}); set the encoding in RAW_FORMAT to the one "
            "the file was written in."
        ) from None
    os.replace(unfinished, copy)
    return copy


def _header(path: Path, name: str, delimiter: str) -> list[str]:
    with path.open("rb") as file:
        first = file.readline(_CHUNK_BYTES)
    text = first.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise UnreadableCsv(f"{name} is empty; its first line must name the columns.")
    if "\0" in text:
        raise UnreadableCsv(
            f"{name} holds NUL bytes in its first line and is no text file; export it again as CSV."
        )
    if text.count('"') % 2:
        raise UnreadableCsv(f"{name} opens a quote in its first line and does not close it.")
    fields = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    header = [field.strip() for field in fields]
    unnamed = [position for position, field in enumerate(header, start=1) if not field]
    if unnamed:
        raise UnreadableCsv(f"{name} has no name for column {unnamed[0]} in its first line.")
    seen: set[str] = set()
    for field in header:
        if field.lower() in seen:
            raise UnreadableCsv(
                f"{name} names the column {field[:60]!r} twice in its first line; keep one of them."
            )
        seen.add(field.lower())
    return header
