"""The ten queries that an analyst runs first answer, and add no customer up twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from published_files import PROJECT, primary_segmentation, published_demo, with_decoy

sys.path.insert(0, str(PROJECT / "examples"))
from first_look import look

EXAMPLE = PROJECT / "examples" / "first_look.py"
SQL = PROJECT / "examples" / "first_look.sql"


@pytest.fixture(scope="module")
def warehouse() -> Path:
    return published_demo()


@pytest.fixture(scope="module")
def decoyed(warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_decoy(warehouse, tmp_path_factory.mktemp("decoyed"))


@pytest.fixture(scope="module")
def found(warehouse: Path) -> dict[str, pd.DataFrame]:
    return look(warehouse)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_ten_queries_and_each_returns_rows(found: dict[str, pd.DataFrame]) -> None:
    assert [int(title.split(".")[0]) for title in found] == list(range(1, 11))
    assert [title for title, rows in found.items() if rows.empty] == []
    assert [title for title, rows in found.items() if rows.isna().all().any()] == []


def test_the_queries_start_from_the_primary_segmentation(found: dict[str, pd.DataFrame]) -> None:
    names = [set(rows.segment_name) for rows in found.values() if "segment_name" in rows]
    assert len(names) == 6 and all(one == names[0] for one in names)
    assert names[0] == {name for name, _ in segments_of(primary_segmentation())}


def segments_of(segmentation: str) -> list[tuple[str, int]]:
    with duckdb.connect(str(published_demo()), read_only=True) as connection:
        return connection.execute(
            "select segment_name, segment_id from marts.segments where segmentation = ?",
            [segmentation],
        ).fetchall()


def test_no_query_adds_across_segmentations(decoyed: Path, found: dict[str, pd.DataFrame]) -> None:
    beside_another = look(decoyed)
    for title, rows in found.items():
        pd.testing.assert_frame_equal(beside_another[title], rows, obj=title)


def test_the_decoy_shows_in_a_query_that_forgets_the_segmentation(
    decoyed: Path, found: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = re.sub(r"where segmentation = \S+\)", "where true", SQL.read_text(encoding="utf-8"))
    (tmp_path / "first_look.sql").write_text(forgetful, encoding="utf-8")
    monkeypatch.setattr("first_look.FOLDER", tmp_path)
    beside_another = look(decoyed)
    changed = [title for title, rows in found.items() if not beside_another[title].equals(rows)]
    assert [int(title.split(".")[0]) for title in changed] == list(range(3, 11))


def test_the_segments_shown_hold_every_customer_once(found: dict[str, pd.DataFrame]) -> None:
    rows = {title.split(".")[0]: rows for title, rows in found.items()}
    accepted = rows["2"].set_index("entity").accepted_count["customers"]
    assert rows["3"].entity_count.sum() == accepted


def test_one_query_and_another_segmentation_can_be_asked_for(warehouse: Path) -> None:
    printed = run("3", "cards")
    assert printed.returncode == 0, printed.stderr
    assert "3. Which segments" in printed.stdout and "High Risk" in printed.stdout
    assert "4. What" not in printed.stdout and "Power Users" not in printed.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["11"], "There is no query 11; first_look.sql has 1 to 10."),
        (["3", "moods"], "has no segmentation moods; it has behaviour, cards."),
        (["3", "cards", "more"], "Give at most a query's number and a segmentation"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(
    warehouse: Path, arguments: list[str], sentence: str
) -> None:
    refused = run(*arguments)
    assert refused.returncode == 1
    assert sentence in refused.stderr and refused.stderr.count("\n") == 1


def test_a_missing_published_file_is_a_sentence(tmp_path: Path) -> None:
    refused = run(PUBLISHED=str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == f"There is no {tmp_path}/warehouse.duckdb; run `make build` first.\n"


def test_the_duckdb_command_line_takes_the_file_as_it_is(warehouse: Path) -> None:
    """Statement by statement, as a client that knows nothing of the headings runs it."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        statements = connection.extract_statements(SQL.read_text(encoding="utf-8"))
        assert len(statements) == 11
        for statement in statements:
            connection.execute(statement)
