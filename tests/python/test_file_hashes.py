"""A file's hash is that of its bytes, however often and by whomever it was asked for."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pipeline import file_hashes
from pipeline.file_hashes import FileHashes


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def write(path: Path, text: str, age_seconds: float) -> None:
    path.write_text(text)
    written = path.stat().st_mtime - age_seconds
    os.utime(path, (written, written))


def test_a_settled_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = file_hashes.file_hash
    monkeypatch.setattr(file_hashes, "file_hash", lambda path: read.append(path) or real(path))
    file = tmp_path / "a.csv"
    write(file, "first", 60)
    notes = tmp_path / "notes.json"
    assert [FileHashes(notes).of(str(file)) for _ in range(3)] == [md5("first")] * 3
    assert len(read) == 1
    # Another size, then the same size at another time.
    write(file, "second", 50)
    assert FileHashes(notes).of(str(file)) == md5("second")
    write(file, "secomd", 40)
    assert FileHashes(notes).of(str(file)) == md5("secomd")


def test_a_file_just_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    hashes = FileHashes(tmp_path / "notes.json")
    write(file, "one", 0)
    moment = file.stat().st_mtime_ns
    assert hashes.of(str(file)) == md5("one")
    file.write_text("two")
    os.utime(file, ns=(moment, moment))
    assert hashes.of(str(file)) == md5("two")


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": 1}', '{"a": [1, 2]}'])
def test_damaged_notes_cost_a_reading(tmp_path: Path, damage: str) -> None:
    notes = tmp_path / "notes.json"
    notes.write_text(damage)
    file = tmp_path / "a.csv"
    write(file, "text", 60)
    assert FileHashes(notes).of(str(file)) == md5("text")
