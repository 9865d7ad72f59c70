"""Pages for people: the committed one is the demo's, and whatever a sentence holds stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, Build
from rendering import evaluate, project_vars, render

from pipeline import verdict_page
from pipeline.sentences import UserError
from pipeline.verdict_page import EXPLANATION, STATUSES, VERDICTS, escaped, found, how_to_read

CURRENCY = project_vars()["currency"]
COMMITTED = PROJECT / "docs" / verdict_page.PAGE_NAME


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


def test_the_committed_page_is_what_the_demo_gives(demo: duckdb.DuckDBPyConnection) -> None:
    assert COMMITTED.read_text(encoding="utf-8") == how_to_read(demo, CURRENCY), (
        "run: make load && make docs"
    )


def test_each_verdict_and_status_has_its_section_and_an_example(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    page = how_to_read(demo, CURRENCY)
    claims = demo.sql("select verdict, sentence, reason from evidence.claim_verdicts").fetchall()
    for verdict, label in [(key, words[0]) for key, words in VERDICTS.items()] + [
        (None, EXPLANATION[0])
    ]:
        (section,) = re.findall(rf"^## {label}\n(.*?)(?=^## )", page, re.M | re.S)
        shown = [
            (sentence, reason)
            for kind, sentence, reason in claims
            if kind == verdict and f"> {escaped(sentence)}\n" in section
        ]
        if any(kind == verdict for kind, *_ in claims):
            assert len(shown) == 1, label
            assert f"- Why: {escaped(shown[0][1])}\n" in section
        else:
            assert f"No sentence of this build came out as *{label}*." in section
    for label, *_ in STATUSES.values():
        (section,) = re.findall(rf"^### {label}\n(.*?)(?=^### |\Z)", page, re.M | re.S)
        assert f"- Status: **{label}**\n" in section, label


def test_a_reader_needs_no_code_name_to_know_whether_to_act(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    page = how_to_read(demo, CURRENCY)
    verdicts = page.split("## From verdicts to recommendations")[0]
    assert not re.search(r"[A-Za-z0-9]_[A-Za-z0-9]|[Ͱ-Ͽ]|\bp[- ]values?\b", verdicts)
    assert len(re.findall(r"use it: \*\*(?:yes|no|test first)\*\*", verdicts)) >= 5


def test_labels_and_uses_are_those_of_the_warehouse() -> None:
    for verdict, (label, *_) in VERDICTS.items():
        words = evaluate(
            {"label": render("verdict_label('verdict')"), "use": render("use_it('verdict')")},
            f"(select '{verdict}' as verdict)",
        )
        assert words == {"label": [label], "use": [verdict_page.use_it(verdict)]}


def test_a_build_without_claims_has_a_page_without_examples(
    demo_build: Build, tmp_path: Path
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo_build.path}' as built (read_only)")
        connection.execute("create schema evidence; create schema health")
        for table in ("evidence.claim_verdicts", "evidence.recommendations"):
            connection.execute(f"create table {table} as from built.{table} limit 0")
        connection.execute("create table health.build_info as from built.health.build_info")
        page = how_to_read(connection, CURRENCY)
    assert page.count("No sentence of this build came out as") == len(VERDICTS) + 1
    assert page.count("No strategy of this build came out as") == len(STATUSES)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("two\nlines\r\n\n# three", r"two lines \# three"),
        ("a | b || c", r"a \| b \|\| c"),
        ("<script>alert(1)</script>", r"&lt;script\>alert(1)&lt;/script\>"),
        ("[here](javascript:alert)", r"\[here\](javascript:alert)"),
        ("![](https://elsewhere/x.png)", r"!\[\](https\://elsewhere/x.png)"),
        ("see www.elsewhere.example @all", r"see www\.elsewhere.example \@all"),
        ("*bold* _it_ `code` ~~gone~~ $x$", r"\*bold\* \_it\_ \`code\` \~\~gone\~\~ \$x\$"),
        ("segment_engagement", "segment_engagement"),
        ("&lt; \\| &#124;", r"&amp;lt; \\\| &amp;\#124;"),
        ("left\u202eright\x1b[31m\x00", r"left right \[31m"),
    ],
)
def test_a_sentence_stays_one_line_of_text(hostile: str, shown: str) -> None:
    assert escaped(hostile) == shown


def test_hostile_texts_keep_tables_and_lists_whole(demo_build: Build) -> None:
    hostile = "a | b\n## c <img src=x onerror=y> [d](http://e) ```"
    texts = ("sentence", "reason", "read_as", "verdict_label")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo_build.path}' as warehouse (read_only)")
        connection.execute("create schema evidence; create schema health")
        names = ["evidence.claim_verdicts", "evidence.recommendations", "health.build_info"]
        for name in names:
            connection.execute(f"create table {name} as from warehouse.{name}")
        for schema in ("staging", "intermediate", "marts"):
            connection.execute(f"create schema {schema}")
        names = ["staging.stg_segment_labels", "intermediate.int_segment_references"]
        for name in [*names, "marts.segments", "staging.stg_customers"]:
            connection.execute(f"create table {name} as from warehouse.{name}")
        plain = verdict_page.study(connection, CURRENCY), how_to_read(connection, CURRENCY)
        for column in texts:
            connection.execute(
                f"update evidence.claim_verdicts set {column} = ? where {column} is not null",
                [hostile],
            )
        for column in ("strategy", "reason", "segment_name"):
            connection.execute(f"update evidence.recommendations set {column} = ?", [hostile])
        broken = verdict_page.study(connection, CURRENCY), how_to_read(connection, CURRENCY)
    for before, after in zip(plain, broken, strict=True):
        assert after.count("\n") == before.count("\n")
        for line_before, line_after in zip(before.splitlines(), after.splitlines(), strict=True):
            assert cells(line_after) == cells(line_before)
            assert line_after.startswith("#") == line_before.startswith("#")
        assert "<" not in after and not re.search(r"(?<!\\)\]\(", after)


def cells(line: str) -> int:
    """Bars that Markdown reads as borders of a table."""
    return len(re.findall(r"(?<!\\)\|", line))


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ((0.25, 0.25, 0.2, 0.3, 1234, "share"), "25.0 % (20.0 to 30.0), 1,234 customers"),
        (
            (0.06, -0.02, -0.03, -0.0001, 500, "share"),
            "6.0 % against 8.0 %, a gap of -2.0 points (-3.0 to 0.0), 500 customers",
        ),
        (
            (1500.0, 500.4, 400.0, 600.0, 500, "amount"),
            "1,500 EUR against 1,000 EUR, a gap of 500 EUR (400 to 600), 500 customers",
        ),
        ((4.0, 4.0, None, None, None, "number"), "4.00"),
        ((None, None, None, None, None, None), "no figure"),
    ],
)
def test_figures_are_written_with_range_customers_and_both_sides(
    claim: tuple[object, ...], words: str
) -> None:
    names = ("figure_found", "estimate", "estimate_low", "estimate_high", "customer_count", "unit")
    assert found(dict(zip(names, claim, strict=True)), "EUR") == words


def test_docs_are_of_the_demo_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_build: Build
) -> None:
    monkeypatch.chdir(demo_build.folder)
    monkeypatch.setenv("RAW_DATA", str(tmp_path))
    with pytest.raises(UserError, match="shows the demo; leave RAW_DATA out"):
        verdict_page.main()
