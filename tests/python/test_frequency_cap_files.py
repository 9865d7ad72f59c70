"""Bands and caps that an analyst got wrong: one sentence that names the file and the row."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import copy_project
from evidence_sql import build
from rendering import ROOT

from pipeline.load import failure_sentences, sentence_of

pytestmark = pytest.mark.long

MODELS = ROOT / "models" / "evidence" / "frequency_caps"
BANDS = "band_name,from_impressions,to_impressions"
GOOD_BANDS = ("1,1,1", "2-3,2,3", "4-7,4,7", "8-12,8,12", "13+,13,")
GOOD_CAPS = ("4", "8", "12")


def problems(seed: str, header: str, lines: tuple[str, ...]) -> list[str]:
    """What the checked form of a seed finds wrong, row by row."""
    columns = header.split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines]
    with duckdb.connect() as connection:
        names = ", ".join(f"{column} varchar" for column in columns)
        connection.execute(f"create table {seed} ({names})")
        for row in rows:
            values = [value or None for value in row.values()]
            marks = ", ".join("?" * len(values))
            connection.execute(f"insert into {seed} values ({marks})", values)
        model = MODELS / f"int_{seed}.sql"
        build(connection, [model])
        found = connection.execute(
            f"select row_problem from int_{seed} where row_problem is not null order by 1"
        ).fetchall()
    return [text for (text,) in found]


@pytest.mark.parametrize("lines", [GOOD_BANDS, ("all,1,",), tuple(reversed(GOOD_BANDS))])
def test_bands_that_cover_every_number_once_are_taken(lines: tuple[str, ...]) -> None:
    assert problems("impression_bands", BANDS, lines) == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("1-3,1,3", "3-7,3,7", "8+,8,"), "band 3-7: it overlaps band 1-3; start it at 4"),
        (("1-3,1,3", "5-7,5,7", "8+,8,"), "band 5-7: there is a gap after band 1-3; start it at 4"),
        (("2-3,2,3", "4+,4,"), "band 2-3: the first band starts at 1"),
        (("0-3,0,3", "4+,4,"), "band 0-3: from_impressions 0 is no whole number of at least 1"),
        (("1-3,1,", "4+,4,"), "band 1-3: only the last band is open; give it a to_impressions"),
        (("1-3,1,3", "4-9,4,9"), "band 4-9: the last band is open; leave to_impressions empty"),
        (("1-3,3,1", "4+,4,"), "band 1-3: it ends before it starts"),
        (("1-3,1,three", "4+,4,"), "band 1-3: to_impressions three is no whole number of"),
        (("1-3,1.5,3", "4+,4,"), "band 1-3: from_impressions 1.5 is no whole number of"),
        (("1-3,,3", "4+,4,"), "band 1-3: from_impressions (empty) is no whole number of"),
        (("a,1,3", "a,4,"), "band a: its name stands there twice"),
        ((",1,3", "4+,4,"), "band (empty): it needs a name"),
    ],
)
def test_bands_that_do_not_are_named(lines: tuple[str, ...], says: str) -> None:
    found = problems("impression_bands", BANDS, lines)
    assert any(text.startswith(says) for text in found), found


def test_good_caps_are_taken() -> None:
    assert problems("frequency_cap_candidates", "cap", GOOD_CAPS) == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("4", "8", "eight"), "cap eight: it is no whole number of at least 1"),
        (("0", "8"), "cap 0: it is no whole number of at least 1"),
        (("-4", "8"), "cap -4: it is no whole number of at least 1"),
        (("4", "8", "8"), "cap 8: it stands there twice"),
        (("4", "12"), "cap 12: 8 must be among the candidates (var no_cap_reach)"),
    ],
)
def test_bad_caps_are_named(lines: tuple[str, ...], says: str) -> None:
    assert says in problems("frequency_cap_candidates", "cap", lines)


# --- whole runs ---


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frequency_caps") / "project"
    copy_project(root)
    return root


def sentences_of_build(root: Path, *select: str) -> list[str]:
    """Build some nodes in a copy of the project; the sentences of what failed."""
    from dbt.cli.main import dbtRunner

    here = os.getcwd()
    try:
        os.chdir(root)
        quiet = ["--quiet", "--no-print", "--log-level", "none", "--log-level-file", "none"]
        ran: Any = dbtRunner().invoke([*quiet, "build", "--select", *select])
    finally:
        os.chdir(here)
    if ran.result is None:
        return [sentence_of("", str(ran.exception))]
    return failure_sentences(ran.result.results)


@pytest.mark.parametrize(
    ("seed", "text", "says"),
    [
        (
            "impression_bands",
            f"{BANDS}\n1-3,1,3\n3-7,3,7\n8+,8,\n",
            r"seeds/impression_bands\.csv, band 3-7: it overlaps band 1-3; start it at 4\.",
        ),
        (
            "frequency_cap_candidates",
            "cap\n",
            r"seeds/frequency_cap_candidates\.csv has no row; give it at least one\.",
        ),
    ],
)
def test_a_build_stops_with_one_sentence(project: Path, seed: str, text: str, says: str) -> None:
    file = project / "seeds" / f"{seed}.csv"
    good = file.read_text(encoding="utf-8")
    try:
        file.write_text(text, encoding="utf-8")
        found = sentences_of_build(project, seed, f"int_{seed}")
    finally:
        file.write_text(good, encoding="utf-8")
    assert len(found) == 1, found
    assert re.search(says + "$", found[0]), found
