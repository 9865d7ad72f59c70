"""What raw files cannot rebuild is exported whole or not at all, and never taken back damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipeline import state
from pipeline.sentences import UserError
from pipeline.state import UnreadableState

ABOUT = {"source_name": "bank", "raw_data": "", "as_of_on": "2026-06-30"}


@pytest.fixture
def build(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A build with two models that have a state, one that has none, and the state of before."""
    connection = duckdb.connect()
    connection.execute(f"attach '{tmp_path / 'warehouse.duckdb'}' as warehouse")
    connection.execute("""
        use warehouse;
        create schema state; create schema segments; create schema marts;
        create table state.segment_fits (fit_id varchar);
        create table state.segment_history (entity_id varchar);
        create table segments.segment_fits as select 'fit-1' as fit_id;
        create table segments.segment_history as select 'C' || range as entity_id from range(5);
        create table marts.segments as select 1 as segment_id;
    """)
    return connection


def export(build: duckdb.DuckDBPyConnection, folder: Path, key: str = "first") -> None:
    with state.written(build, "warehouse", folder, ABOUT, key) as written:
        written.put_in_place()


def rows(folder: Path, name: str) -> list[tuple[object, ...]]:
    path = state.read(folder, "")[name]
    return duckdb.read_parquet(str(path)).order("all").fetchall()


def test_what_was_exported_is_read_back_and_nothing_else(
    build: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folder = tmp_path / "it's 100 % state"
    assert state.read(folder, "") == {}
    export(build, folder)
    assert set(state.read(folder, "")) == {"segment_fits", "segment_history"}
    assert rows(folder, "segment_history") == [(f"C{number}",) for number in range(5)]
    build.execute("insert into segments.segment_fits values ('fit-2')")
    export(build, folder, "second")
    assert rows(folder, "segment_fits") == [("fit-1",), ("fit-2",)]
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "second", "state.json"]
    assert {path.stat().st_mode & 0o077 for path in (folder / "second").iterdir()} == {0}


def test_an_export_that_is_not_put_in_place_leaves_the_one_before(
    build: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    export(build, tmp_path / "bank")
    build.execute("insert into segments.segment_fits values ('fit-2')")
    with (
        pytest.raises(KeyboardInterrupt),
        state.written(build, "warehouse", tmp_path / "bank", ABOUT, "second"),
    ):
        raise KeyboardInterrupt
    assert rows(tmp_path / "bank", "segment_fits") == [("fit-1",)]
    assert not (tmp_path / "bank" / "second").exists()


def test_what_a_killed_export_left_is_in_nobodys_way(
    build: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Killed before its state.json was in place: a whole subfolder nobody names, and scraps."""
    folder = tmp_path / "bank"
    export(build, folder)
    shutil.copytree(folder / "first", folder / "second")
    (folder / ".new-77").mkdir()
    (folder / ".new-77.json").write_text("{", encoding="utf-8")
    assert rows(folder, "segment_fits") == [("fit-1",)]
    export(build, folder, "third")
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "state.json", "third"]


def test_two_exports_at_once_are_refused(build: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with (
        state.written(build, "warehouse", tmp_path / "bank", ABOUT, "first"),
        pytest.raises(UserError, match="Another publish writes to"),
        state.written(build, "warehouse", tmp_path / "bank", ABOUT, "second"),
    ):
        pass


def cut(folder: Path) -> None:
    path = folder / "first" / "segment_history.parquet"
    path.write_bytes(path.read_bytes()[:-7])


def lose(folder: Path) -> None:
    (folder / "first" / "segment_history.parquet").unlink()


def scribble(folder: Path) -> None:
    (folder / "state.json").write_text('{"state_version": 1', encoding="utf-8")


def lose_manifest(folder: Path) -> None:
    (folder / "state.json").unlink()


def from_the_future(folder: Path) -> None:
    content = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    content["state_version"] = state.VERSION + 1
    (folder / "state.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (cut, r"segment_history\.parquet is damaged .*put a backup of the folder back"),
        (lose, r"segment_history\.parquet is missing; put a backup"),
        (scribble, r"state\.json is damaged; put a backup"),
        (lose_manifest, r"has lost its state\.json; put a backup"),
        (from_the_future, r"written by a newer Segmart \(state version 2, this one knows 1\)"),
    ],
)
def test_a_damaged_or_newer_state_is_refused_in_a_sentence(
    build: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    damage: Callable[[Path], None],
    sentence: str,
) -> None:
    export(build, tmp_path / "bank")
    damage(tmp_path / "bank")
    with pytest.raises(UnreadableState, match=sentence):
        state.read(tmp_path / "bank", "")


def test_two_sources_of_one_name_do_not_share_a_history(
    build: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a" / "raw").mkdir(parents=True)
    about = ABOUT | {"raw_data": str(tmp_path / "a" / "raw")}
    with state.written(build, "warehouse", tmp_path / "bank", about, "first") as written:
        written.put_in_place()
    assert state.read(tmp_path / "bank", str(tmp_path / "a" / "raw"))
    with pytest.raises(UnreadableState, match=r"two sources of one name; .* source_name\.txt"):
        state.read(tmp_path / "bank", str(tmp_path / "b" / "raw"))
    # On another machine the first one's folder is not there: the history came along with the data.
    shutil.rmtree(tmp_path / "a")
    assert state.read(tmp_path / "bank", str(tmp_path / "b" / "raw"))
