"""Pages for people: the committed one is the demo's, and whatever a sentence holds stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, Build
from rendering import evaluate, render

from pipeline import verdict_page
from pipeline.sentences import UserError
from pipeline.settings import Settings
from pipeline.verdict_page import (
    EXPLANATION,
    STATUSES,
    VERDICTS,
    Wording,
    escaped,
    found,
    how_to_read,
)

WORDING = Wording.of(Settings.from_environment({}, PROJECT))
COMMITTED = PROJECT / "docs" / verdict_page.PAGE_NAME


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


def test_the_committed_page_is_what_the_demo_gives(demo: duckdb.DuckDBPyConnection) -> None:
    assert COMMITTED.read_text(encoding="utf-8") == how_to_read(demo, WORDING), (
        "run: make load && make docs"
    )


def test_each_verdict_and_status_has_its_section_and_an_example(
    demo: duckdb.DuckDBPyConnection,
) -> None:
    page = how_to_read(demo, WORDING)
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
    page = how_to_read(demo, WORDING)
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
        connection.execute("create schema evidence; create schema health; create schema marts")
        for table in ("evidence.claim_verdicts", "evidence.recommendations_v2"):
            connection.execute(f"create table {table} as from built.{table} limit 0")
        for table in (
            "health.build_info",
            "marts.segments",
            "evidence.segmentation_noise_check",
        ):
            connection.execute(f"create table {table} as from built.{table}")
        page = how_to_read(connection, WORDING)
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
        names = ["evidence.claim_verdicts", "evidence.recommendations_v2", "health.build_info"]
        for name in [*names, "evidence.segmentation_noise_check"]:
            connection.execute(f"create table {name} as from warehouse.{name}")
        for schema in ("staging", "intermediate", "marts"):
            connection.execute(f"create schema {schema}")
        names = ["staging.stg_segment_labels", "intermediate.int_segment_references"]
        for name in [*names, "marts.segments", "staging.stg_customers"]:
            connection.execute(f"create table {name} as from warehouse.{name}")
        plain = verdict_page.study(connection, WORDING), how_to_read(connection, WORDING)
        for column in texts:
            connection.execute(
                f"update evidence.claim_verdicts set {column} = ? where {column} is not null",
                [hostile],
            )
        for column in ("segmentation", "reason"):
            connection.execute(
                f"update evidence.segmentation_noise_check set {column} = ?", [hostile]
            )
        # Two segmentations stay two.
        connection.execute("update marts.segments set segmentation = segmentation || ?", [hostile])
        for column in ("strategy", "reason", "segment_name"):
            connection.execute(f"update evidence.recommendations_v2 set {column} = ?", [hostile])
        broken = verdict_page.study(connection, WORDING), how_to_read(connection, WORDING)
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
        ((4.1, 4.1, None, None, None, "number"), "4.10"),
        ((8.0, 8.0, 7.0, 9.0, 1234, "number"), "8 (7 to 9), 1,234 customers"),
        ((8.0, 8.0, 7.25, 9.0, None, "number"), "8.00 (7.25 to 9.00)"),
        ((None, None, None, None, None, None), "no figure"),
    ],
)
def test_figures_are_written_with_range_customers_and_both_sides(
    claim: tuple[object, ...], words: str
) -> None:
    assert found(figures(claim, "segment_engagement", "ctr"), WORDING) == words


def test_what_is_a_difference_of_shares_by_itself_is_in_points() -> None:
    claim = (0.331, 0.331, 0.22, 0.44, 500, "share")
    written = found(figures(claim, "variation_shares", "share"), WORDING)
    assert written == "33.1 points (22.0 to 44.0), 500 customers"
    plain = found(figures(claim, "segment_channel_impression_bands", "naive_ctr"), WORDING)
    assert plain == "33.1 % (22.0 to 44.0), 500 customers"


def figures(claim: tuple[object, ...], mart: str, metric: str) -> dict[str, object]:
    """What a row of claim_verdicts says in figures."""
    names = ("figure_found", "estimate", "estimate_low", "estimate_high", "customer_count", "unit")
    keys = {"segmentation": "behaviour", "mart": mart, "metric": metric}
    return dict(zip(names, claim, strict=True)) | keys


def test_whether_there_are_groups_comes_before_what_is_said_of_them() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create schema evidence")
        connection.execute(
            """
            create table marts.segments as
            from (values ('plain', 'a', 1), ('plain', 'a', 2), ('mere_noise', 'b', 1),
                ('handed_in', 'given', 1)) as rows (segmentation, fit_id, segment_id);
            create table evidence.segmentation_noise_check as
            from (values ('a', false, 'Clear * groups.'), ('b', true, 'As clear when shuffled.'),
                ('older', true, 'Not in use.')) as rows (fit_id, no_structure_found, reason);
            """
        )
        assert verdict_page.structure(connection) == [
            "First of all, are there groups to speak of?",
            "",
            "- handed in: **not known**; groups handed in as labels are not checked.",
            "- mere noise: **none that chance would not make**, so read everything below about "
            "them as noise. As clear when shuffled.",
            r"- plain: **yes**. Clear \* groups.",
        ]


def test_both_pages_begin_with_the_check_of_the_groups(demo: duckdb.DuckDBPyConnection) -> None:
    checks = demo.sql("select segmentation, reason from evidence.segmentation_noise_check")
    reasons = checks.fetchall()
    assert {segmentation for segmentation, _ in reasons} == {"behaviour", "cards"}
    for page in (how_to_read(demo, WORDING), verdict_page.study(demo, WORDING)):
        for segmentation, reason in reasons:
            assert f"- {segmentation}: **yes**. {escaped(reason)}\n" in page
            assert page.index(escaped(reason)) < page.index("| verdict |")


def test_docs_are_of_the_demo_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_build: Build
) -> None:
    monkeypatch.chdir(demo_build.folder)
    monkeypatch.setenv("RAW_DATA", str(tmp_path))
    with pytest.raises(UserError, match="shows the demo; leave RAW_DATA out"):
        verdict_page.main()
