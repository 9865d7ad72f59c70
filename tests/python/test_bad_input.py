"""Broken raw files: counted in a green build, or named in one sentence; never lost, never a trace.

Every variant gets a RAW_DATA folder (and so a build file) of its own. dbt runs in this process
over one parsed manifest, and builds only what shows the claim; the tests at the end run commands.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml
from conftest import PROJECT, copy_project
from raw_folders import (
    Rows,
    changed,
    csv_text,
    data_lines,
    good_tables,
    write_csv,
    write_good_folder,
    write_parquet,
)
from rendering import CompilerError, project_vars, render

from pipeline.csv_files import UnreadableFile
from pipeline.load import failure_sentences, sentence_of
from pipeline.personas_file import check as check_personas
from segmentation import scoring
from segmentation.fit import TRANSFORMS

pytestmark = pytest.mark.long

TABLES = good_tables()
CUSTOMERS = TABLES["customers"]
COLUMNS = list(CUSTOMERS[0])
TEXT = csv_text(CUSTOMERS)
SETTINGS = ("RAW_DATA", "RAW_FORMAT", "AS_OF", "SEGMART_DROPPED", "SEGMART_TARGET", "SEGMART_REFIT")
JUDGED = ("+rejected_rows", "+data_quality")
GERMAN = (
    '{delimiter: ";", decimal: ",", date: "%d.%m.%Y", timestamp: "%d.%m.%Y %H:%M:%S", '
    "encoding: windows-1252}"
)
LATE = "2024-03-01"

Change = Callable[[Path], object]
full = pytest.mark.full


@dataclass(frozen=True)
class Counted:
    """A variant whose build is green: what it shows of the file of `entity`.

    `received` is counted in the file where it is None; `rules` and `blanked` count rows, `listed`
    holds missing and ignored columns, and `holds` is a query with the value it gives.
    """

    change: Change
    entity: str = "customers"
    received: int | None = None
    rules: Mapping[str, int] = field(default_factory=dict)
    blanked: Mapping[str, int] = field(default_factory=dict)
    superseded: int = 0
    listed: tuple[tuple[str, str], ...] = ()
    holds: tuple[str, object] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A variant whose build stops with one sentence that holds every text in `says`."""

    change: Change
    says: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    entity: str = "customers"


# --- running dbt ---


class Warehouse:
    """A copy of the project in which dbt builds RAW_DATA folders, one after another."""

    def __init__(self, root: Path) -> None:
        from dbt.cli.main import dbtRunner

        self.root = root
        self._runner = dbtRunner
        self._manifest: Any = None

    def file(self, folder: Path) -> Path:
        """The build file of a RAW_DATA folder."""
        key = hashlib.md5(str(folder).encode()).hexdigest()[:8]
        return self.root / "build" / "dev" / key / "warehouse.duckdb"

    def build(
        self, folder: Path, *select: str, environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """Build `select` (all models if empty) of a folder; the sentences of what failed."""
        kept = dict(os.environ)
        here = os.getcwd()
        try:
            os.chdir(self.root)
            for name in SETTINGS:
                os.environ.pop(name, None)
            if self._manifest is None:
                self._manifest = self._dbt("parse").result
            os.environ.update({"RAW_DATA": str(folder), **(environment or {})})
            what = ["--select", *select] if select else []
            kinds = ["--resource-type", "model", "--resource-type", "seed"]
            ran = self._dbt("build", *kinds, "--exclude", "raw_*", *what)
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(kept)
        if ran.result is None:
            return [sentence_of("", str(ran.exception))]
        sentences = failure_sentences(ran.result.results)
        assert ran.success == (not sentences), ran.result.results
        return sentences

    def ask(self, folder: Path, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the folder's build file."""
        with duckdb.connect(str(self.file(folder))) as connection:
            return connection.execute(query).fetchall()

    def _dbt(self, command: str, *arguments: str) -> Any:
        quiet = ["--quiet", "--no-print", "--log-level", "none", "--log-level-file", "none"]
        return self._runner(manifest=self._manifest).invoke([*quiet, command, *arguments])


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    root = tmp_path_factory.mktemp("bad_input") / "project"
    copy_project(root)
    return Warehouse(root)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "raw"
    write_good_folder(path, TABLES)
    return path


def assert_one_sentence(sentences: list[str], *says: str) -> None:
    assert len(sentences) == 1, sentences
    assert_is_sentence(sentences[0])
    for text in says:
        assert text in sentences[0], sentences[0]


def assert_is_sentence(sentence: str) -> None:
    assert "\n" not in sentence
    assert sentence.endswith((".", "?", "!")), sentence
    for trouble in ("Traceback", "LINE ", "Candidate", "Possible", ".py", ".sql failed", "> in"):
        assert trouble not in sentence, sentence


def assert_counted(warehouse: Warehouse, folder: Path, entity: str, received: int) -> None:
    """Every row of every entity is accepted, broken or superseded, and the latter two are kept."""
    totals: dict[str, dict[str, int]] = {}
    for name, total, rows in warehouse.ask(
        folder,
        "select entity, check_name, row_count from health.data_quality where check_type = 'total'",
    ):
        totals.setdefault(name, {})[total] = rows
    kept = dict(
        warehouse.ask(
            folder, "select entity, count(*) from quarantine.rejected_rows group by entity"
        )
    )
    for name, total in totals.items():
        assert total["received"] == total["accepted"] + total["broken"] + total["superseded"]
        assert total["broken"] + total["superseded"] == kept.get(name, 0)
        file = folder / f"{name}.csv"
        if name != entity and file.exists():
            assert total["received"] == len(TABLES[name])
    assert totals[entity]["received"] == received


# --- what to break ---


def put(content: str | bytes) -> Change:
    """Write the file of customers anew."""
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / "customers.csv").write_bytes(data)


def rows_changed(
    change: Callable[[int, dict[str, str]], Mapping[str, str]], entity: str = "customers"
) -> Change:
    return lambda folder: write_csv(folder / f"{entity}.csv", changed(TABLES[entity], change))


def only_columns(columns: list[str]) -> Change:
    return lambda folder: write_csv(folder / "customers.csv", CUSTOMERS, columns)


def without(*columns: str) -> list[str]:
    return [column for column in COLUMNS if column not in columns]


def every_file(change: Callable[[bytes], bytes]) -> Change:
    def apply(folder: Path) -> None:
        for path in folder.glob("*.csv"):
            path.write_bytes(change(path.read_bytes()))

    return apply


def alone(change: Change) -> Change:
    """Take every other file away."""

    def apply(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        change(folder)

    return apply


def parquet(
    types: Mapping[str, str] | None = None,
    rows: Rows | None = None,
    entity: str = "customers",
    extra: str = "",
) -> Change:
    """The file of an entity as Parquet instead."""

    def apply(folder: Path) -> None:
        (folder / f"{entity}.csv").unlink(missing_ok=True)
        write_parquet(folder / f"{entity}.parquet", rows or TABLES[entity], types, extra)

    return apply


def parts(*columns: list[str], suffix: str = ".csv", types: tuple[Any, ...] = ()) -> Change:
    """Customers in parts of their own columns (and types, for Parquet)."""

    def apply(folder: Path) -> None:
        (folder / "customers.csv").unlink()
        size = len(CUSTOMERS) // len(columns)
        for number, names in enumerate(columns):
            rows = CUSTOMERS[number * size : (number + 1) * size]
            path = folder / "customers" / f"part-{number}{suffix}"
            if suffix == ".csv":
                write_csv(path, rows, names)
            else:
                own = [{name: row[name] for name in names} for row in rows]
                write_parquet(path, own, types[number] if types else None)

    return apply


def parquet_bytes(change: Callable[[bytes], bytes]) -> Change:
    def apply(folder: Path) -> None:
        parquet()(folder)
        path = folder / "customers.parquet"
        path.write_bytes(change(path.read_bytes()))

    return apply


def german(folder: Path) -> None:
    """Every file as a German spreadsheet saves it."""

    def local(column: str, value: str) -> str:
        if re.fullmatch(r"\d{4}-\d\d-\d\d.*", value):
            value = ".".join(reversed(value[:10].split("-"))) + value[10:]
        return value.replace(".", ",") if re.fullmatch(r"-?\d+\.\d+", value) else value

    for name, rows in TABLES.items():
        localised = [{key: local(key, value) for key, value in row.items()} for row in rows]
        if name == "customers":
            localised[0]["region"] = "Köln, 5 €"
        text = csv_text(localised, delimiter=";", line_end="\r\n")
        (folder / f"{name}.csv").write_bytes(text.encode("windows-1252"))


def regions(text: str, every: int = 1) -> Rows:
    return changed(CUSTOMERS, lambda number, row: {"region": text} if number % every == 0 else {})


def lines_at_once(text: str) -> str:
    """The header with spaces around its names and in other letter case."""
    header, rest = text.split("\n", maxsplit=1)
    return ",".join(f" {name.title()} " for name in header.split(",")) + "\n" + rest


HOSTILE = [
    "=cmd()", "@SUM(1)", "+1", "-1", "<b>x</b>", "a'b", 'a"b', "'; drop table customers; --",
    "😀", "أب", "中文", "x" * 10_000, "line\nbreak", "null", "NaN", "007", "a|b", "{{ 1 / 0 }}",
    "{% raw %}", "%s", "\\", "C\x00D", "1e5", "true",
]  # fmt: skip


def hostile(folder: Path) -> None:
    """Ids and names that some program takes for something else, in every file."""
    new_ids = {row["customer_id"]: text for row, text in zip(CUSTOMERS, HOSTILE, strict=False)}
    names = {
        "product_holdings": "product",
        "transactions": "transaction_type",
        "campaign_engagements": "channel",
        "campaigns": "campaign_name",
        "digital_sessions": "touchpoint",
    }
    for entity, rows in TABLES.items():

        def change(number: int, row: dict[str, str], entity: str = entity) -> dict[str, str]:
            odd = HOSTILE[number % len(HOSTILE)]
            own = {names[entity]: odd} if entity in names else {}
            if "customer_id" in row:
                own["customer_id"] = new_ids.get(row["customer_id"], row["customer_id"])
            if entity == "customers":
                own |= {"region": odd, "job": odd}
            return own

        write_csv(folder / f"{entity}.csv", changed(rows, change))


def id_kept(text: str) -> tuple[str, object]:
    quoted = text.replace("'", "''")
    return (f"select count(*) from staging.stg_customers where customer_id = '{quoted}'", 1)


REGION = "select min(region) from staging.stg_customers"
BIG = "x" * 10_000_000
NUMBERED = changed(
    CUSTOMERS,
    lambda number, row: {"customer_id": str(number + 1), "marketing_consent": str(number % 2)},
)

COUNTED: dict[str, Counted] = {
    "nothing wrong": Counted(lambda folder: None),
    "no line end at the end": Counted(put(TEXT.rstrip("\n"))),
    "semicolon, named": Counted(
        every_file(lambda data: data.replace(b",", b";")),
        environment={"RAW_FORMAT": '{delimiter: ";"}'},
    ),
    "tab, named": Counted(
        every_file(lambda data: data.replace(b",", b"\t")),
        environment={"RAW_FORMAT": "{delimiter: tab}"},
    ),
    "German format, named": Counted(
        german,
        holds=(
            "select region, joined_on::varchar, monthly_income::varchar, updated_at::varchar "
            "from staging.stg_customers where customer_id = 'C00001'",
            ("Köln, 5 €", "2024-09-16", "937.50", "2025-01-01 20:00:00"),
        ),
        environment={"RAW_FORMAT": GERMAN},
    ),
    "words for dates in another format": Counted(
        alone(
            rows_changed(
                lambda number, row: {
                    "joined_on": ("epoch", "infinity", "01.01.25")[number]
                    if number < 3
                    else "01.02.2020"
                }
            )
        ),
        blanked={"joined_on": 3},
        environment={"RAW_FORMAT": '{date: "%d.%m.%Y"}'},
    ),
    "byte order mark": Counted(put(b"\xef\xbb\xbf" + TEXT.encode())),
    "carriage return and line feed": Counted(
        put(TEXT.replace("\n", "\r\n")), holds=(REGION, "north")
    ),
    "mixed line ends": Counted(put(TEXT.replace("\n", "\r\n", 50))),
    "line feeds and carriage returns": Counted(put(TEXT.replace("\n", "\r", 50))),
    "carriage returns alone": Counted(put(TEXT.replace("\n", "\r"))),
    "a carriage return in a value": Counted(
        put(TEXT.replace("north", "no\rth", 1)), rules={"malformed_line": 2}
    ),
    "Latin-1 in three lines, not named": Counted(
        put(csv_text(regions("Grün", every=80)).encode("latin-1")), rules={"malformed_line": 3}
    ),
    "Latin-1, named": Counted(
        put(csv_text(regions("Grün")).encode("latin-1")),
        holds=(REGION, "Grün"),
        environment={"RAW_FORMAT": "{encoding: latin-1}"},
    ),
    "Windows-1252, named": Counted(
        put(csv_text(regions("€ “x” Ÿ")).encode("windows-1252")),
        holds=(REGION, "€ “x” Ÿ"),
        environment={"RAW_FORMAT": "{encoding: windows-1252}"},
    ),
    "UTF-16, named": Counted(
        every_file(lambda data: data.decode().encode("utf-16")),
        received=200,
        environment={"RAW_FORMAT": "{encoding: utf-16}"},
    ),
    "NUL in a value": Counted(put(TEXT.replace("north", "no\0rth", 3))),
    "an optional file with a header alone": Counted(
        lambda folder: write_header_alone(folder / "transactions.csv"),
        entity="transactions",
        received=0,
    ),
    "header in other letter case, with spaces": Counted(put(lines_at_once(TEXT))),
    "header with a byte of Latin-1": Counted(
        put(TEXT.encode().replace(b"education", b"\xe9ducation", 1)),
        listed=(("ignored_column", "\ufffdducation"), ("missing_column", "education")),
    ),
    "a missing optional column": Counted(
        only_columns(without("education")), listed=(("missing_column", "education"),)
    ),
    "extra columns": Counted(
        put(
            "\n".join(
                line + (",filename,Größe" if number == 0 else ",x,y")
                for number, line in enumerate(TEXT.splitlines())
            )
        ),
        listed=(("ignored_column", "filename"), ("ignored_column", "größe")),
    ),
    "columns in another order": Counted(only_columns(COLUMNS[::-1])),
    "a field of 10 MB": Counted(put(TEXT.replace("north", BIG, 1))),
    "quotes inside fields": Counted(
        put(TEXT.replace("north", 'n"or"th', 1).replace("south", '"sou""th, x"', 1)),
        holds=("select count(*) from staging.stg_customers where region like '%\"%'", 2),
    ),
    "text after a closing quote": Counted(
        put(TEXT.replace("north", '"no"rth', 1)), rules={"malformed_line": 1}
    ),
    "line ends in a quoted field": Counted(
        put(TEXT.replace("north", '"no\n\nrth"', 1)), received=200
    ),
    "short and long lines": Counted(
        put(TEXT.replace("north", "no,rth", 2).replace("south,", "", 1)),
        rules={"malformed_line": 3},
    ),
    "blank lines between": Counted(put(TEXT.replace("\n", "\n\n"))),
    "a line of spaces": Counted(
        put(TEXT.replace("\n", "\n  \n", 1)), received=201, rules={"malformed_line": 1}
    ),
    "numbers that are words": Counted(
        rows_changed(
            lambda number, row: (
                {"birth_year": "12.7", "monthly_income": "1_000"} if number < 9 else {}
            )
        ),
        blanked={"birth_year": 9, "monthly_income": 9},
    ),
    "ids twice": Counted(
        lambda folder: write_csv(folder / "customers.csv", CUSTOMERS + CUSTOMERS[:50]),
        superseded=50,
    ),
    "hostile ids and names": Counted(hostile, received=200, holds=id_kept(HOSTILE[7])),
    "an id of several lines": Counted(hostile, received=200, holds=id_kept("line\nbreak")),
    "a few unknown customers": Counted(
        rows_changed(
            lambda number, row: {"customer_id": "nobody"} if number < 20 else {}, "transactions"
        ),
        entity="transactions",
        rules={"unknown_customer": 20},
    ),
    "Parquet with its own types": Counted(parquet(), received=200),
    "Parquet with other types": Counted(
        alone(
            parquet(
                {
                    "customer_id": "bigint",
                    "joined_on": "timestamp_ns",
                    "birth_year": "double",
                    "monthly_income": "decimal(38, 10)",
                    "account_balance": "float",
                    "marketing_consent": "integer",
                    "consent_changed_at": "timestamptz",
                    "updated_at": "timestamp_ns",
                },
                NUMBERED,
            )
        ),
        received=200,
        holds=(
            "select customer_id, joined_on::varchar, birth_year, monthly_income::varchar, "
            "account_balance::varchar, marketing_consent, consent_changed_at::varchar "
            "from staging.stg_customers where customer_id = '2'",
            ("2", "2024-09-09", 1942, "974.50", "-78.25", True, "2024-06-01 12:00:00"),
        ),
    ),
    "Parquet with everything as text": Counted(
        parquet({}),
        received=200,
        holds=("select min(joined_on)::varchar from staging.stg_customers", "2020-11-23"),
    ),
    "Parquet with ids as doubles": Counted(
        alone(parquet({"customer_id": "double"}, NUMBERED)), received=200, holds=id_kept("17")
    ),
    "Parquet with nan and infinity": Counted(
        parquet(
            {"monthly_income": "double", "birth_year": "double"},
            changed(
                CUSTOMERS,
                lambda number, row: {"monthly_income": ("nan", "inf")[number % 2]},
            ),
        ),
        received=200,
        blanked={"monthly_income": 100},
    ),
    "Parquet with infinite dates": Counted(
        parquet(
            {"joined_on": "date", "consent_changed_at": "timestamp"},
            changed(
                CUSTOMERS,
                lambda number, row: (
                    {"joined_on": "infinity", "consent_changed_at": "-infinity"}
                    if number < 4
                    else {}
                ),
            ),
        ),
        received=200,
        blanked={"joined_on": 4, "consent_changed_at": 4},
    ),
    "Parquet with integers too large": Counted(
        parquet(
            {"session_count": "hugeint", "used_on": "timestamp_ns", "minutes": "float"},
            changed(
                TABLES["digital_sessions"],
                lambda number, row: {"session_count": "9" * 20} if number < 2 else {},
            ),
            entity="digital_sessions",
        ),
        entity="digital_sessions",
        received=len(TABLES["digital_sessions"]),
        rules={"bad_session_count": 2},
    ),
    "Parquet with nested and binary columns": Counted(
        parquet(extra="[1, 2] as tags, {'a': 1} as more, 'x'::blob as filename"),
        received=200,
        listed=(
            ("ignored_column", "filename"),
            ("ignored_column", "more"),
            ("ignored_column", "tags"),
        ),
    ),
    "parts in another column order": Counted(parts(COLUMNS, COLUMNS[::-1])),
    "a part without an optional column": Counted(
        parts(COLUMNS, without("education")),
        listed=(("missing_column", "education"),),
        holds=("select count(education) from staging.stg_customers", 100),
    ),
    "Parquet parts of other order and types": Counted(
        parts(COLUMNS, COLUMNS[::-1], suffix=".parquet", types=(None, {})),
        received=200,
        holds=("select count(joined_on) from staging.stg_customers", 200),
    ),
    "a Parquet part without an optional column": Counted(
        parts(COLUMNS, without("birth_year"), suffix=".parquet"),
        received=200,
        listed=(("missing_column", "birth_year"),),
        holds=("select count(birth_year) from staging.stg_customers", 100),
    ),
    "customers alone": Counted(alone(put(TEXT))),
    "AS_OF before the last events": Counted(
        lambda folder: None,
        entity="transactions",
        rules={"future_date": 500, "unknown_customer": 72},
        environment={"AS_OF": LATE},
    ),
    "AS_OF after them": Counted(lambda folder: None, environment={"AS_OF": "2031-01-01"}),
}


def write_header_alone(path: Path) -> None:
    path.write_text(path.read_text().split("\n")[0] + "\n")


REFUSED: dict[str, Refused] = {
    "truncated in the last line": Refused(
        put(TEXT[:-40]), ("customers.csv ends inside its last line", "hand it in again")
    ),
    "truncated in a quoted field": Refused(
        put(TEXT[:-40] + '"abc'), ("customers.csv ends inside its last line", "hand it in again")
    ),
    "a quote that is never closed": Refused(
        put(TEXT.replace("north", '"north', 1)), ("customers.csv, line 3", "quote", "close")
    ),
    "an unclosed quote early in a large file": Refused(
        put(TEXT.replace("north", '"north', 1) + TEXT.split("\n", maxsplit=1)[1] * 1_200),
        ("customers.csv, line 3", "quote", "close"),
    ),
    "a field of 40 MB": Refused(
        put(TEXT.replace("north", BIG * 4, 1)), ("customers.csv, line 3", "longer than 32 MB")
    ),
    "semicolon, not named": Refused(
        put(TEXT.replace(",", ";")), ("customers.csv has no column customer_id", "RAW_FORMAT")
    ),
    "tab, not named": Refused(
        put(TEXT.replace(",", "\t")), ("customers.csv has no column customer_id", "RAW_FORMAT")
    ),
    "Latin-1 everywhere, not named": Refused(
        put(csv_text(regions("Grün", every=2)).encode("latin-1")),
        ("customers: 100 of 200", "5 %", "malformed_line (100)", "RAW_FORMAT to its encoding"),
    ),
    "UTF-16, not named": Refused(
        put(TEXT.encode("utf-16")), ("customers.csv is UTF-16", "encoding: utf-16")
    ),
    "UTF-16 without its mark": Refused(
        put(TEXT.encode("utf-16-le")), ("customers.csv", "NUL bytes", "encoding in RAW_FORMAT")
    ),
    "a byte that Windows-1252 has not": Refused(
        put(TEXT.encode().replace(b"north", b"n\x81rth", 1)),
        ("customers.csv is not windows-1252", "RAW_FORMAT"),
        {"RAW_FORMAT": "{encoding: windows-1252}"},
    ),
    "NUL in the header": Refused(
        put(TEXT.replace("region", "re\0gion", 1)), ("customers.csv holds NUL bytes",)
    ),
    "empty file": Refused(put(b""), ("customers.csv has an empty first line",)),
    "white space alone": Refused(put(b"  \n \n"), ("customers.csv has an empty first line",)),
    "no header but data of 2 MB": Refused(put("x" * 2_000_000), ("customers.csv", "first line")),
    "a column twice": Refused(
        put(TEXT.replace("region", " JOB", 1)), ("customers.csv names the column 'JOB' twice",)
    ),
    "a column without a name": Refused(
        put(TEXT.replace("region", "", 1)), ("customers.csv has no name for column 8",)
    ),
    "a quote in the header": Refused(
        put(TEXT.replace("region", '"region', 1)), ("customers.csv opens a quote",)
    ),
    "a missing required column": Refused(
        only_columns(without("customer_id")),
        ("customers.csv has no column customer_id", "it has joined_on"),
    ),
    "a missing column in use": Refused(
        only_columns(without("monthly_income")),
        ("customers.csv has no column monthly_income", "segmentation behaviour", "hand the"),
    ),
    "customers with a header alone": Refused(
        lambda folder: write_header_alone(folder / "customers.csv"),
        ("product_holdings: 200 of 200", "unknown_customer (200)"),
    ),
    "unknown customers above the limit": Refused(
        rows_changed(
            lambda number, row: {"customer_id": "nobody"} if number < 40 else {}, "transactions"
        ),
        ("transactions: 40 of 500", "5 %", "broken_share_limit", "unknown_customer (40)"),
        entity="transactions",
    ),
    "not Parquet": Refused(
        lambda folder: (folder / "customers.csv").rename(folder / "customers.parquet"),
        ("customers.parquet cannot be read as Parquet", "export it again"),
    ),
    "Parquet, truncated": Refused(
        parquet_bytes(lambda data: data[: len(data) // 2]),
        ("customers.parquet cannot be read as Parquet", "export it again"),
    ),
    "Parquet, empty": Refused(parquet_bytes(lambda data: b""), ("customers.parquet cannot be",)),
    "Parquet with overwritten pages": Refused(
        parquet_bytes(lambda data: data[:200] + b"\xff" * 400 + data[600:]),
        ("customers.parquet cannot be read", "export it again"),
    ),
    "Parquet with a reserved column": Refused(
        parquet(extra="1 as file_row_number"), ("customers.parquet has a column file_row_number",)
    ),
    "Parquet called csv": Refused(
        lambda folder: write_parquet(folder / "customers.csv", CUSTOMERS), ("customers.csv",)
    ),
    "customers missing": Refused(
        lambda folder: (folder / "customers.csv").unlink(), ("holds no customers.csv", "required")
    ),
    "a folder without parts": Refused(
        alone(lambda folder: (folder / "customers").mkdir()),
        ("the folder customers without any .csv or .parquet part",),
    ),
    "an optional folder without parts": Refused(
        lambda folder: (
            (folder / "transactions.csv").unlink(),
            (folder / "transactions").mkdir(),
            (folder / "transactions" / "readme.txt").touch(),
        ),
        ("the folder transactions without any", "remove the folder"),
        entity="transactions",
    ),
    "a folder called csv": Refused(
        alone(lambda folder: (folder / "customers.csv").mkdir()),
        ("customers.csv as a folder", "customers"),
    ),
    "the same file as CSV and Parquet": Refused(
        lambda folder: write_parquet(folder / "customers.parquet", CUSTOMERS),
        ("customers more than once", "customers.csv, customers.parquet"),
    ),
    "a file and a folder of parts": Refused(
        lambda folder: write_csv(folder / "customers" / "part.csv", CUSTOMERS),
        ("customers more than once", "customers/part.csv"),
    ),
    "a part without a required column": Refused(
        parts(COLUMNS, without("customer_id")), ("customers/part-1.csv has no column customer_id",)
    ),
    "a Parquet part without a required column": Refused(
        parts(COLUMNS, without("customer_id"), suffix=".parquet"),
        ("customers/part-1.parquet has no column customer_id",),
    ),
    "a part without a column in use": Refused(
        parts(COLUMNS, without("loyalty_score")),
        ("customers/part-1.csv has no column loyalty_score", "segmentation behaviour"),
    ),
    "no dates at all": Refused(
        alone(rows_changed(lambda number, row: {"joined_on": ""})), ("has a date", "set AS_OF")
    ),
}

BAD_SETTINGS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    name: ({variable: value}, says)
    for name, variable, value, says in (
        ("no YAML", "RAW_FORMAT", '{delimiter: ";', ("RAW_FORMAT reads", "write it like")),
        ("no mapping", "RAW_FORMAT", "[a]", ("RAW_FORMAT reads [a]", "write it like")),
        ("unknown key", "RAW_FORMAT", "{delim: x}", ("unknown key delim", "delimiter, decimal")),
        ("no text", "RAW_FORMAT", "{delimiter: 3}", ("gives delimiter no text", "quotes")),
        ("long delimiter", "RAW_FORMAT", '{delimiter: "||"}', ("delimiter ||", "one character")),
        ("quote", "RAW_FORMAT", "{delimiter: '\"'}", ("RAW_FORMAT gives the delimiter", "quote")),
        ("decimal mark", "RAW_FORMAT", "{decimal: x}", ("decimal mark x", 'use "." or ","')),
        ("date specifier", "RAW_FORMAT", '{date: "%Q"}', ("date format %Q", "%d.%m.%Y")),
        ("date in letters", "RAW_FORMAT", "{date: dd.mm.yyyy}", ("date format dd.mm.yyyy", "%d")),
        ("date, no year", "RAW_FORMAT", '{date: "%d.%m"}', ("date format %d.%m", "%Y")),
        ("encoding", "RAW_FORMAT", "{encoding: klingon}", ("encoding 'klingon'", "utf-8")),
        ("no encoding of text", "RAW_FORMAT", "{encoding: base64}", ("'base64'", "utf-8")),
        ("30 February", "AS_OF", "2026-02-30", ("AS_OF is 2026-02-30", "YYYY-MM-DD")),
        ("no dashes", "AS_OF", "20260228", ("AS_OF is 20260228", "YYYY-MM-DD")),
        ("a word", "AS_OF", "today", ("AS_OF is today", "YYYY-MM-DD")),
    )
}


# Close relatives of variants that every run of the suite builds.
FULL = {
    "no line end at the end",
    "line feeds and carriage returns",
    "header with a byte of Latin-1",
    "columns in another order",
    "text after a closing quote",
    "truncated in a quoted field",
    "a line of spaces",
    "an id of several lines",
    "a few unknown customers",
    "Parquet with its own types",
    "Parquet with ids as doubles",
    "Parquet parts of other order and types",
    "AS_OF after them",
    "white space alone",
    "tab, not named",
    "Parquet, empty",
    "a file and a folder of parts",
    "a part without a column in use",
    "a Parquet part without a required column",
}


def cases(variants: Iterable[str]) -> list[Any]:
    return [
        pytest.param(name, marks=full) if name in FULL else pytest.param(name) for name in variants
    ]


# --- the claims ---


@pytest.mark.parametrize("name", cases(COUNTED))
def test_every_line_is_counted(warehouse: Warehouse, folder: Path, name: str) -> None:
    variant = COUNTED[name]
    variant.change(folder)
    assert warehouse.build(folder, *JUDGED, environment=variant.environment) == []
    received = variant.received
    if received is None:
        received = sum(data_lines(path) for path in folder.glob(f"{variant.entity}*/*.csv"))
        if (file := folder / f"{variant.entity}.csv").exists():
            received += data_lines(file, "latin-1")
    assert_counted(warehouse, folder, variant.entity, received)
    found: dict[str, dict[str, int | None]] = {}
    for check_type, check_name, rows in warehouse.ask(
        folder,
        "select check_type, check_name, row_count from health.data_quality "
        f"where entity = '{variant.entity}'",
    ):
        found.setdefault(check_type, {})[check_name] = rows
    assert found.get("rule", {}) == variant.rules
    assert found.get("blanked", {}) == variant.blanked
    assert found["total"]["superseded"] == variant.superseded
    listed = {
        (check_type, column)
        for check_type in ("missing_column", "ignored_column", "missing_file")
        for column in found.get(check_type, {})
    }
    assert listed == set(variant.listed)
    if variant.holds is not None:
        query, expected = variant.holds
        row = warehouse.ask(folder, query)[0]
        assert (row if isinstance(expected, tuple) else row[0]) == expected


@pytest.mark.parametrize("name", cases(REFUSED))
def test_one_sentence_says_what_to_mend_and_the_mended_file_is_read(
    warehouse: Warehouse, folder: Path, name: str
) -> None:
    variant = REFUSED[name]
    variant.change(folder)
    sentences = warehouse.build(folder, "+data_quality", environment=variant.environment)
    assert_one_sentence(sentences, *variant.says)
    state = warehouse.ask(folder, "select is_complete, is_green from internal.build_state")
    assert state == [(False, False)]
    shutil.rmtree(folder)
    write_good_folder(folder, TABLES)
    received = f"received_{variant.entity}"
    assert warehouse.build(folder, received) == []
    rows = warehouse.ask(folder, f"select count(*), count(malformed_line) from received.{received}")
    assert rows == [(len(TABLES[variant.entity]), 0)]


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_one_sentence_names_the_setting(warehouse: Warehouse, folder: Path, name: str) -> None:
    environment, says = BAD_SETTINGS[name]
    assert_one_sentence(
        warehouse.build(folder, "as_of", "+received_customers", environment=environment), *says
    )


@pytest.mark.parametrize("name", ["it's [1]", 'we?rd* "{{ x }}"'])
def test_a_folder_of_any_name_is_read_and_no_other(
    warehouse: Warehouse, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    write_good_folder(folder, TABLES)
    # Patterns of these names match these, too.
    for other in ("it's 1", "weird, too"):
        write_good_folder(tmp_path / other, {"customers": CUSTOMERS})
    (folder / "source_name.txt").write_text("demo\n")
    assert warehouse.build(folder, *JUDGED) == []
    assert_counted(warehouse, folder, "customers", len(CUSTOMERS))
    named = warehouse.ask(folder, "select source_name from internal.build_state")
    assert named == [("demo",)]


def test_a_column_or_file_that_was_published_is_missed(warehouse: Warehouse, folder: Path) -> None:
    noted = warehouse.file(folder).with_name("published_columns.csv")
    noted.parent.mkdir(parents=True)
    noted.write_text("entity,column_name\ncustomers,education\ncampaigns,campaign_id\n")
    assert warehouse.build(folder, "+base_customers") == []

    only_columns(without("education"))(folder)
    assert_one_sentence(
        warehouse.build(folder, "+base_customers"),
        "customers.csv has no column education, which the last published build had",
        "SEGMART_DROPPED=customers.education",
    )
    dropped = {"SEGMART_DROPPED": "customers.education"}
    assert warehouse.build(folder, "+base_customers", environment=dropped) == []

    (folder / "campaigns.csv").unlink()
    assert_one_sentence(
        warehouse.build(folder, "+base_campaigns", environment=dropped),
        "holds no campaigns.csv",
        "SEGMART_DROPPED=campaigns",
    )
    dropped = {"SEGMART_DROPPED": "customers.education, campaigns"}
    assert warehouse.build(folder, "+base_campaigns", environment=dropped) == []


def test_a_claims_file_without_a_header_is_refused_and_one_without_claims_is_not(
    warehouse: Warehouse, folder: Path
) -> None:
    claims = folder / "claims.csv"
    claims.write_bytes(b"")
    assert_one_sentence(
        warehouse.build(folder, "+base_claims"), "claims.csv has an empty first line"
    )
    header = (warehouse.root / "seeds" / "raw_claims.csv").read_text(encoding="utf-8")
    claims.write_text(header.splitlines()[0] + "\n", encoding="utf-8")
    assert warehouse.build(folder, "+base_claims") == []
    assert warehouse.ask(folder, "select count(*) from staging.base_claims") == [(0,)]


def test_a_decoded_copy_follows_its_file_and_stays_alone(
    warehouse: Warehouse, folder: Path
) -> None:
    latin = {"RAW_FORMAT": "{encoding: latin-1}"}
    for region in ("Grün", "Übersee"):
        put(csv_text(regions(region)).encode("latin-1"))(folder)
        assert warehouse.build(folder, "+base_customers", environment=latin) == []
        assert warehouse.ask(folder, "select distinct region from staging.base_customers") == [
            (region,)
        ]
    decoded = warehouse.file(folder).parent / "decoded"
    assert len(list(decoded.rglob("customers.csv"))) == 1
    assert [path for path in decoded.rglob("tmp*")] == []


# --- few customers, equal customers, no values ---

EQUAL = changed(
    CUSTOMERS,
    lambda number, row: {**CUSTOMERS[0], "customer_id": row["customer_id"]},
)
EMPTY = changed(CUSTOMERS, lambda number, row: {key: "" for key in row if key != "customer_id"})
DAY = {"AS_OF": "2025-06-30"}


def few(count: int) -> Change:
    return alone(lambda folder: write_good_folder(folder, good_tables(count)))


@dataclass(frozen=True)
class Segmented:
    """A folder, and the sizes of its segments, largest first; None for any of several."""

    change: Change
    sizes: list[int] | None
    environment: Mapping[str, str] = field(default_factory=dict)


SEGMENTED = {
    "no customer": Segmented(
        lambda folder: alone(put(TEXT.split("\n")[0] + "\n"))(folder), [], DAY
    ),
    "three customers, fewer than segments": Segmented(few(3), [3]),
    "customers all alike": Segmented(
        alone(lambda folder: write_csv(folder / "customers.csv", EQUAL)), [200]
    ),
    "hostile ids and names": Segmented(hostile, None),
}
SEGMENTED_FULL = {
    "one customer": Segmented(few(1), [1]),
    "no values at all": Segmented(
        alone(lambda folder: write_csv(folder / "customers.csv", EMPTY)), [200], DAY
    ),
    "a constant column": Segmented(rows_changed(lambda number, row: {"monthly_income": "5"}), None),
    "no events at all": Segmented(alone(put(TEXT)), None),
    "headers alone beside customers": Segmented(
        lambda folder: [
            write_header_alone(path) for path in folder.glob("*.csv") if path.stem != "customers"
        ],
        None,
    ),
}


@pytest.mark.parametrize(
    "variant",
    [
        *(pytest.param(variant, id=name) for name, variant in SEGMENTED.items()),
        *(pytest.param(variant, id=name, marks=full) for name, variant in SEGMENTED_FULL.items()),
    ],
)
def test_every_customer_is_in_a_segment(
    warehouse: Warehouse, folder: Path, variant: Segmented
) -> None:
    variant.change(folder)
    assert warehouse.build(folder, environment=variant.environment) == []
    sizes = warehouse.ask(
        folder,
        "select entity_count from marts.segments where grain = 'customer' order by 1 desc",
    )
    accepted = warehouse.ask(folder, "select count(*) from staging.stg_customers")[0][0]
    members = warehouse.ask(folder, "select count(*) from customers.customer_segments")[0][0]
    assert members == accepted == sum(size for (size,) in sizes)
    if variant.sizes is not None:
        assert [size for (size,) in sizes] == variant.sizes


# --- specifications ---

SPECIFICATION: dict[str, Any] = {
    "name": "mine",
    "grain": "customer",
    "k": 3,
    "features": [{"name": "monthly_income", "transform": "none", "missing": "median"}],
}

ALLOWED: dict[str, Any] = {"reason": "to show it", "features": ["gender"]}


def with_feature(**change: object) -> dict[str, Any]:
    return {**SPECIFICATION, "features": [{**SPECIFICATION["features"][0], **change}]}


BAD_SPECIFICATIONS: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "k 0": ([{**SPECIFICATION, "k": 0}], ("mine, k: 0", "1 to 20")),
    "k 1.5": ([{**SPECIFICATION, "k": 1.5}], ("mine, k: 1.5", "1 to 20")),
    "k 21": ([{**SPECIFICATION, "k": 21}], ("mine, k: 21", "1 to 20")),
    "k as text": ([{**SPECIFICATION, "k": "4"}], ("mine, k: 4", "whole number")),
    "k true": ([{**SPECIFICATION, "k": True}], ("mine, k: True", "whole number")),
    "k_range beside a number": (
        [{**SPECIFICATION, "k_range": [2, 8]}],
        ("mine, k_range: it goes with k: auto alone",),
    ),
    "a range of one end": (
        [{**SPECIFICATION, "k": "auto", "k_range": [2]}],
        ("mine, k_range: [2] is no range", "two whole numbers from 1 to 20"),
    ),
    "a range downwards": (
        [{**SPECIFICATION, "k": "auto", "k_range": [8, 2]}],
        ("mine, k_range: [8, 2] is no range", "two whole numbers from 1 to 20"),
    ),
    "a range from 0": (
        [{**SPECIFICATION, "k": "auto", "k_range": [0, 4]}],
        ("mine, k_range: [0, 4] is no range", "two whole numbers from 1 to 20"),
    ),
    "a range as text": (
        [{**SPECIFICATION, "k": "auto", "k_range": "2-8"}],
        ("mine, k_range: 2-8 is no range", "two whole numbers from 1 to 20"),
    ),
    "no k": (
        [{key: value for key, value in SPECIFICATION.items() if key != "k"}],
        ("mine, k: it is missing",),
    ),
    "no transform": (
        [{**SPECIFICATION, "features": [{"name": "monthly_income", "missing": "zero"}]}],
        ("mine, monthly_income.transform: it is missing",),
    ),
    "an unknown key": ([{**SPECIFICATION, "kay": 4}], ("mine, kay", "name, grain, k, features")),
    "an unknown grain": ([{**SPECIFICATION, "grain": "branch"}], ("mine, grain", "customer")),
    "no features": ([{**SPECIFICATION, "features": []}], ("mine, features", "at least one")),
    "a feature that is text": (
        [{**SPECIFICATION, "features": ["monthly_income"]}],
        ("mine, features", "name, transform and missing"),
    ),
    "an unknown feature": ([with_feature(name="shoe_size")], ("shoe_size", "monthly_income")),
    "an unknown transform": (
        [with_feature(transform="cube")],
        ("mine, monthly_income.transform", "cube", "none, log1p, sqrt, asinh"),
    ),
    "an unknown missing rule": (
        [with_feature(missing="guess")],
        ("mine, monthly_income.missing", "median, mean and zero"),
    ),
    "values that are no numbers": (
        [with_feature(values={"a": "b"})],
        ("mine, monthly_income.values", "number"),
    ),
    "a feature twice": (
        [{**SPECIFICATION, "features": SPECIFICATION["features"] * 2}],
        ("mine, features", "twice"),
    ),
    "a protected input": (
        [with_feature(name="gender", values={"f": 1})],
        ("mine, gender", "customers.gender", "allow_protected with a reason"),
    ),
    "a protected input without reason": (
        [{**with_feature(name="gender"), "allow_protected": {"features": ["gender"]}}],
        ("mine, gender", "allow_protected with a reason"),
    ),
    "a protected input, and another allowed": (
        [{**with_feature(name="gender"), "allow_protected": {**ALLOWED, "features": ["job"]}}],
        ("mine, gender", "customers.gender"),
    ),
    "allowed features as text": (
        [{**with_feature(name="gender"), "allow_protected": {**ALLOWED, "features": "gender"}}],
        ("mine, allow_protected", "the list of features"),
    ),
    "a feature of another grain": ([with_feature(name="balance")], ("balance", "holds:PRODUCT")),
    "a product of a card account": (
        [{**with_feature(name="holds:loan"), "grain": "card_account"}],
        ("holds:loan of grain card_account", "there are balance"),
    ),
    "an attribute without a name": ([with_feature(name="attribute:")], ("feature attribute:",)),
    "values without any": ([with_feature(values={})], ("mine, monthly_income.values", "number")),
    "values that are not finite": (
        [with_feature(values={"a": math.nan})],
        ("mine, monthly_income.values", "number"),
    ),
    "a kind that is none": ([{**SPECIFICATION, "kind": "made"}], ("mine, kind", "given")),
    "inputs of a given one as text": (
        [{"name": "mine", "grain": "customer", "kind": "given", "inputs": "customers.job"}],
        ("mine, inputs", "file.column"),
    ),
    "a name twice": ([SPECIFICATION, SPECIFICATION], ("mine, name", "unique")),
    "a name with spaces": ([{**SPECIFICATION, "name": "My own"}], ("lower-case", "My own")),
    "no mapping": (["mine"], ("segmentations", "mine")),
    "none at all": ([], ("segmentations", "a list of at least one")),
}
# An editor compares neither a list with another nor a number with itself.
UNKNOWN_TO_THE_SCHEMA = (
    "a protected input, and another allowed",
    "values that are not finite",
    "a range downwards",
)


def assert_specification_sentence(sentence: str, *says: str) -> None:
    assert_is_sentence(sentence)
    assert sentence.startswith("dbt_project.yml, segmentation"), sentence
    for text in says:
        assert text in sentence, sentence


@pytest.mark.parametrize("name", BAD_SPECIFICATIONS)
def test_a_malformed_specification_is_named(name: str) -> None:
    specifications, says = BAD_SPECIFICATIONS[name]
    with pytest.raises(CompilerError) as refused:
        render("segmentations()", variables={"segmentations": specifications})
    assert_specification_sentence(str(refused.value), *says)


@pytest.mark.parametrize("malformed", [None, "behaviour", {"behaviour": SPECIFICATION}, 4])
def test_segmentations_that_are_no_list_are_named(malformed: object) -> None:
    with pytest.raises(CompilerError, match="segmentations: a list of at least one specification"):
        render("segmentations()", variables={"segmentations": malformed})


@pytest.mark.parametrize(
    ("malformed", "says"),
    [
        (["behaviour"], "default is missing"),
        ({"card_study": ["cards"]}, "default is missing"),
        ({"default": "behaviour"}, "default: behaviour is no list"),
        ({"default": ["behaviour"], "mine": None}, "mine: None is no list"),
        ({"default": []}, "default: [] is no list"),
    ],
)
def test_malformed_sources_of_segmentations_are_named(malformed: object, says: str) -> None:
    with pytest.raises(CompilerError) as refused:
        render("check_segmentations_by_source()", variables={"segmentations_by_source": malformed})
    assert_specification_sentence(str(refused.value), "segmentations_by_source", says)
    project = {"vars": {**project_vars(), "segmentations_by_source": malformed}}
    assert not SCHEMA.is_valid(project)


# --- what editors know of specifications ---

SCHEMA_FILE = PROJECT / "docs" / "segmentations.schema.json"
SCHEMA = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def in_project(specifications: object) -> dict[str, Any]:
    return {"vars": {**project_vars(), "segmentations": specifications}}


def test_the_schema_takes_every_shipped_specification() -> None:
    SCHEMA.check_schema(SCHEMA.schema)
    project = (PROJECT / "dbt_project.yml").read_text(encoding="utf-8")
    assert [error.message for error in SCHEMA.iter_errors(yaml.safe_load(project))] == []
    address = str(SCHEMA_FILE.relative_to(PROJECT))
    assert project.startswith(f"# yaml-language-server: $schema={address}\n")


@pytest.mark.parametrize("name", BAD_SPECIFICATIONS)
def test_the_schema_refuses_what_dbt_refuses(name: str) -> None:
    is_known = name not in UNKNOWN_TO_THE_SCHEMA
    assert SCHEMA.is_valid(in_project(BAD_SPECIFICATIONS[name][0])) != is_known


def test_the_schema_completes_what_the_project_knows() -> None:
    known, features = SCHEMA.schema["$defs"], project_vars()["features"]
    protected = set(project_vars()["protected_raw_columns"])
    assert known["grain"]["enum"] == list(project_vars()["grains"])
    for grain in project_vars()["grains"]:
        own = [name for name, feature in features.items() if feature["grain"] == grain]
        assert known[f"{grain}_feature"]["enum"] == own
    assert known["protected_feature"]["enum"] == [
        name for name, feature in features.items() if protected & set(feature["raw_columns"])
    ]
    feature = known["fitted"]["properties"]["features"]["items"]["properties"]
    assert feature["transform"]["enum"] == list(TRANSFORMS) == list(scoring.TRANSFORMS)
    for transform in TRANSFORMS:
        render("segmentations()", variables={"segmentations": [with_feature(transform=transform)]})
    for missing in feature["missing"]["enum"]:
        render("segmentations()", variables={"segmentations": [with_feature(missing=missing)]})


@pytest.mark.parametrize("k", [{"k": "auto"}, {"k": "auto", "k_range": [2, 8]}, {"k": 1}])
def test_the_schema_takes_a_number_of_segments_or_auto(k: dict[str, Any]) -> None:
    assert SCHEMA.is_valid(in_project([{**SPECIFICATION, **k}]))


# --- personas ---

HEADER = "segmentation,persona,description,feature,direction,agreed_by,agreed_on\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("mine,Rich,,monthly_income,1,,\nmine,Rich,,shoe_size,1,,\n", "row 2: persona 'Rich' "
         "of segmentation 'mine' names the feature 'shoe_size'; its features are monthly_income."),
        ("mine,Rich,,monthly_income,1,,\nmine,Rich,,monthly_income,1,,\n", "more than once."),
        ("mine,Rich,,monthly_income,2,,\n", "not a number from -1 to 1."),
        ("mine,Rich,,monthly_income,,,\n", "not a number from -1 to 1."),
    ],
)  # fmt: skip
def test_a_persona_that_does_not_fit_is_named_by_row(
    tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "personas.csv"
    path.write_text(HEADER + content)
    with pytest.raises(UnreadableFile) as refused:
        check_personas(path, {"mine": ["monthly_income"]})
    assert_is_sentence(str(refused.value))
    assert str(refused.value).startswith("seeds/personas.csv, row ")
    assert str(refused.value).endswith(says)
    assert check_personas(path, {"another": ["monthly_income"]}) == {}


def test_personas_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    for content, says in (("", "cannot be read"), ("segmentation\n", "has no column persona")):
        path.write_text(content)
        with pytest.raises(UnreadableFile, match=says) as refused:
            check_personas(path, {})
        assert_is_sentence(str(refused.value))


def test_a_wrong_persona_stops_a_run_before_anything_is_built(
    warehouse: Warehouse, folder: Path
) -> None:
    path = warehouse.root / "seeds" / "personas.csv"
    good = path.read_text()
    path.write_text(good.replace(",monthly_income,", ",shoe_size,", 1))
    try:
        assert_one_sentence(
            warehouse.build(folder, "as_of"),
            "seeds/personas.csv, row 1: persona 'High-Value Power Users'",
            "'shoe_size'; its features are monthly_income, account_balance",
        )
    finally:
        path.write_text(good)
    assert warehouse.ask(folder, "select table_name from duckdb_tables()") == []


def test_an_outcome_as_an_input_is_named() -> None:
    features = {
        **project_vars()["features"],
        "clicks": {"grain": "customer", "raw_columns": ["campaign_engagements.clicks"]},
    }
    variables = {"features": features, "segmentations": [with_feature(name="clicks")]}
    with pytest.raises(CompilerError) as refused:
        render("segmentations()", variables=variables)
    assert_specification_sentence(str(refused.value), "mine, clicks", "an outcome")


# --- as commands ---


@pytest.fixture
def commands(warehouse: Warehouse) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs commands in the copy of the project, with nothing set but what is given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*SETTINGS, "PYTHONDONTWRITEBYTECODE") and not name.startswith("DBT_")
    }

    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=warehouse.root,
            env={**kept, "PWD": str(warehouse.root), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    yield run


Commands = Callable[..., subprocess.CompletedProcess[str]]
LOAD = (sys.executable, "-m", "pipeline.load")
PUBLISH = (sys.executable, "-m", "pipeline.publish")
DBT = str(Path(sys.executable).with_name("dbt"))


def assert_refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("The build failed")]
    assert_one_sentence(said, *says)


def test_make_load_says_one_sentence_and_nothing_is_published(
    warehouse: Warehouse, folder: Path, commands: Commands
) -> None:
    REFUSED["a quote that is never closed"].change(folder)
    assert_refused(commands(*LOAD, RAW_DATA=str(folder)), "customers.csv, line 3")
    published = commands(*PUBLISH, RAW_DATA=str(folder))
    assert published.returncode == 1
    assert published.stderr.startswith("Nothing was published: the last run")
    assert not (warehouse.root / "published").exists()


def test_make_load_refuses_settings_before_it_builds(folder: Path, commands: Commands) -> None:
    raw_data = {"RAW_DATA": str(folder)}
    bad_format = commands(*LOAD, **raw_data, RAW_FORMAT="{delim: x}")
    assert_refused(bad_format, "RAW_FORMAT has the unknown key delim")
    assert_refused(commands(*LOAD, **raw_data, AS_OF="2026-02-30"), "AS_OF is 2026-02-30")
    a_file = str(folder / "customers.csv")
    assert_refused(commands(*LOAD, RAW_DATA=a_file), "customers.csv, which is not a folder")
    assert_refused(commands(*LOAD, RAW_DATA=str(folder / "no")), "which is not a folder")


def test_make_load_names_the_specification_that_dbt_could_not_parse(
    warehouse: Warehouse, folder: Path, commands: Commands
) -> None:
    project = warehouse.root / "dbt_project.yml"
    good = project.read_text()
    content = yaml.safe_load(good)
    content["vars"]["segmentations"][0]["k"] = 1.5
    try:
        project.write_text(yaml.safe_dump(content, sort_keys=False))
        done = commands(*LOAD, RAW_DATA=str(folder))
    finally:
        project.write_text(good)
    assert_refused(done, "dbt_project.yml, segmentation behaviour, k: 1.5")


def test_make_load_names_the_program_that_holds_the_build_file(
    warehouse: Warehouse, folder: Path, commands: Commands
) -> None:
    file = warehouse.file(folder)
    file.parent.mkdir(parents=True)
    hold = f"import duckdb; c = duckdb.connect({str(file)!r}); print(flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        done = commands(*LOAD, RAW_DATA=str(folder))
    finally:
        holder.communicate("\n")
    assert_refused(done, "warehouse.duckdb is open in another program", f"PID {holder.pid}")


@pytest.mark.parametrize(
    "name",
    [
        "a quote that is never closed",
        *(
            pytest.param(name, marks=full)
            for name in ("Parquet with overwritten pages", "semicolon, not named")
        ),
    ],
)
def test_plain_dbt_build_shows_the_sentence_and_no_trace(
    folder: Path, commands: Commands, name: str
) -> None:
    REFUSED[name].change(folder)
    select = ("--select", "+data_quality", "--resource-type", "model")
    done = commands(DBT, "build", *select, RAW_DATA=str(folder))
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    # dbt breaks no lines, but DuckDB's own words differ where no macro spoke.
    assert name.startswith("Parquet") or REFUSED[name].says[0] in said
