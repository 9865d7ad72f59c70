"""The data test `holds`: every broken promise is named, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from rendering import ROOT, CompilerError, render_text

PROMISES: dict[str, Any] = {
    "unique": ["segment_id", "coalesce(channel, '')"],
    "not_null": ["customer_count"],
    "in_range": [
        {"columns": ["ctr", "p"], "min": 0, "max": 1},
        {"columns": ["segment_id"], "min": 1},
        {"columns": ["ctr"], "max": 0.9},
    ],
    "in_order": [[0, "click_count", "impression_count"], ["p", "adjusted_p * (1 + 1e-12)"]],
    "intervals": ["ctr"],
}
SOUND: dict[str, Any] = {
    "segment_id": 1,
    "channel": None,
    "customer_count": 300,
    "ctr": 0.1,
    "ctr_low": 0.1 + 1e-17,
    "ctr_high": 0.12,
    "p": 0.03,
    "adjusted_p": 0.06,
    "click_count": 10,
    "impression_count": 100,
}
KEY = "one row per segment_id, coalesce(channel, '')"
NOTHING_KNOWN = dict.fromkeys(["ctr", "ctr_low", "ctr_high", "p", "adjusted_p", "click_count"])


def broken(rows: list[dict[str, Any]], **promises: Any) -> dict[str, int]:
    """The promises that rows break, and how many rows or keys break each."""
    text = (ROOT / "tests" / "data" / "generic" / "holds.sql").read_text(encoding="utf-8")
    macro = text.replace("{% test holds(", "{% macro holds(").replace("endtest", "endmacro")
    sql = render_text(
        macro + "{{ holds(model, **promises) }}",
        model=_Relation("given_rows"),
        promises=promises or PROMISES,
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table given_rows (segment_id bigint, channel varchar, customer_count bigint, "
            "ctr double, ctr_low double, ctr_high double, p double, adjusted_p double, "
            "click_count bigint, impression_count bigint)"
        )
        for row in rows:
            connection.execute(
                f"insert into given_rows values ({', '.join('?' * len(row))})", list(row.values())
            )
        return dict(connection.sql(sql).fetchall())


class _Relation(SimpleNamespace):
    def __init__(self, identifier: str) -> None:
        super().__init__(identifier=identifier)

    def __str__(self) -> str:
        return str(self.identifier)


def test_sound_rows_and_no_rows_break_nothing() -> None:
    assert broken([SOUND, SOUND | {"segment_id": 2}, SOUND | {"channel": "email"}]) == {}
    assert broken([SOUND | NOTHING_KNOWN]) == {}
    assert broken([]) == {}


@pytest.mark.parametrize(
    ("rows", "promises"),
    [
        ([SOUND, SOUND], {KEY: 1}),
        ([SOUND | {"segment_id": None}], {KEY: 1}),
        ([SOUND | {"customer_count": None}], {"customer_count is not null": 1}),
        ([SOUND | {"segment_id": 0}], {"segment_id >= 1": 1}),
        ([SOUND | {"p": 1.5, "adjusted_p": 1.5}], {"p <= 1": 1}),
        ([SOUND | {"ctr": -0.1, "ctr_low": -0.2}], {"ctr >= 0": 1}),
        ([SOUND | {"ctr": 0.95, "ctr_high": 1}], {"ctr <= 0.9": 1}),
        ([SOUND | {"click_count": -1}], {"0 <= click_count": 1}),
        ([SOUND | {"click_count": 101}], {"click_count <= impression_count": 1}),
        ([SOUND | {"adjusted_p": 0.02}], {"p <= adjusted_p * (1 + 1e-12)": 1}),
        ([SOUND | {"ctr_low": 0.11}], {"ctr lies in its interval": 1}),
        ([SOUND | {"ctr_high": 0.09}], {"ctr lies in its interval": 1}),
        ([SOUND | {"ctr_high": None}], {"ctr lies in its interval": 1}),
        ([SOUND | {"ctr": None}], {"ctr lies in its interval": 1}),
        (
            [SOUND | {"p": -1, "segment_id": number} for number in (1, 2)] + [SOUND, SOUND],
            {KEY: 1, "p >= 0": 2},
        ),
    ],
)
def test_a_broken_promise_is_named_with_its_rows(
    rows: list[dict[str, Any]], promises: dict[str, int]
) -> None:
    assert broken(rows) == promises


def test_each_promise_can_stand_alone() -> None:
    for name, promise in PROMISES.items():
        assert broken([SOUND], **{name: promise}) == {}, name
    assert broken([SOUND, SOUND], unique=["segment_id"]) == {"one row per segment_id": 1}


def test_a_test_that_could_not_fail_is_refused() -> None:
    for promises, sentence in [
        ({"in_range": [{"columns": ["ctr"]}]}, "in_range on given_rows has neither min nor max"),
        ({"unique": []}, "holds on given_rows promises nothing"),
    ]:
        with pytest.raises(CompilerError, match=sentence):
            broken([SOUND], **promises)
