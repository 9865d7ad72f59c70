"""A look at a CSV file before DuckDB reads it: its encoding, line ends and header."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20
# DuckDB keeps as much of a line that it rejects.
_REJECTED_BYTES = 10_000


class UnreadableFile(Exception):
    """A raw file that cannot be read; the text is one sentence that says what to do."""


@dataclass(frozen=True)
class CsvFile:
    """A file DuckDB can read: UTF-8, one kind of line end; `header` holds the names as written.

    `unended_line` is the last line where no line end follows it, else empty.
    """

    path: Path
    header: list[str]
    unended_line: str


def open_csv(path: Path, name: str, encoding: str, delimiter: str, decoded_folder: Path) -> CsvFile:
    """Find the header of `path`; decode it into `decoded_folder` where DuckDB could not read it.

    `name` is what errors call the file.

    A copy is made only for an encoding other than UTF-8 and for files that mix line ends; it is
    reused as long as the file's size and time of change stay the same, and replaced after that.

    Raises UnreadableFile, naming the file and what to do.
    """
    codec = _codec(encoding)
    with path.open("rb") as file:
        start = file.read(4)
    if codec == "utf-8" and start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableFile(
            f"{name} is UTF-16, not UTF-8; save it as UTF-8, "
            "or set RAW_FORMAT to '{encoding: utf-16}'."
        )
    readable = path
    if codec != "utf-8" or not _has_one_line_end(path):
        readable = _decoded_copy(path, name, encoding, decoded_folder)
    return CsvFile(readable, _header(readable, name, delimiter), _unended_line(readable))


def file_hash(path: str) -> str:
    """The md5 of a file's bytes, as hex: tells inputs apart, protects nothing."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _codec(encoding: str) -> str:
    try:
        # Python also knows codecs that are no text encodings, such as base64: they refuse this.
        " ".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise UnreadableFile(
            f"RAW_FORMAT names the encoding {encoding!r}, which does not exist; "
            "use a name such as utf-8, latin-1 or windows-1252."
        ) from None


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
    return returns == 0 or returns == both == line_feeds


def _decoded_copy(path: Path, name: str, encoding: str, folder: Path) -> Path:
    """A copy in UTF-8 with "\\n"; under the file's own name, which tells where a row came from."""
    state = path.stat()
    copies = folder / _short_hash(str(path.resolve()))
    version = _short_hash(f"{encoding}|{state.st_size}|{state.st_mtime_ns}")
    copy = copies / version / path.name
    if copy.exists():
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    # Several nodes may decode one file at the same time, each into a file of its own.
    handle, unfinished = tempfile.mkstemp(dir=copy.parent)
    try:
        # UTF-8 keeps its bad bytes, so that DuckDB can reject the lines that hold them.
        errors = "surrogateescape" if _codec(encoding) == "utf-8" else "strict"
        with (
            path.open(encoding=encoding, errors=errors, newline=None) as source,
            os.fdopen(handle, "w", encoding="utf-8", errors=errors, newline="\n") as target,
        ):
            while text := source.read(_CHUNK_BYTES):
                target.write(text)
        os.replace(unfinished, copy)
    except UnicodeError as problem:
        raise UnreadableFile(
            f"{name} is not {encoding} ({problem}); set the encoding in RAW_FORMAT to the one "
            "the file was written in."
        ) from None
    finally:
        Path(unfinished).unlink(missing_ok=True)
    for earlier in copies.iterdir():
        if earlier.name != version:
            shutil.rmtree(earlier, ignore_errors=True)
    return copy


def _short_hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:12]


def _unended_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _REJECTED_BYTES))
        end = file.read()
    last = end.replace(b"\r", b"\n").rsplit(b"\n", maxsplit=1)[-1]
    # A text in SQL ends at a NUL.
    return last.decode(errors="replace").split("\0", maxsplit=1)[0]


def _header(path: Path, name: str, delimiter: str) -> list[str]:
    with path.open("rb") as file:
        first = file.readline(_CHUNK_BYTES)
    text = first.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise UnreadableFile(
            f"{name} has an empty first line; its first line must name the columns."
        )
    if len(first) == _CHUNK_BYTES:
        raise UnreadableFile(
            f"{name} has a first line of more than {_CHUNK_BYTES:,} bytes and is no CSV file; "
            "its first line must name the columns."
        )
    if "\0" in text:
        raise UnreadableFile(
            f"{name} holds NUL bytes in its first line and is no text file in UTF-8; export it "
            "again as CSV, or name its encoding in RAW_FORMAT."
        )
    if text.count('"') % 2:
        raise UnreadableFile(
            f"{name} opens a quote in its first line and does not close it; close it there."
        )
    fields = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    header = [field.strip() for field in fields]
    unnamed = [position for position, field in enumerate(header, start=1) if not field]
    if unnamed:
        raise UnreadableFile(
            f"{name} has no name for column {unnamed[0]} in its first line; name it there."
        )
    seen: set[str] = set()
    for field in header:
        if field.lower() in seen:
            raise UnreadableFile(
                f"{name} names the column {field[:60]!r} twice in its first line; keep one of them."
            )
        seen.add(field.lower())
    return header
