"""Boards over the published file: checked, and laid out for dbt Charts.

`dashboard/` holds the boards as they are written. dbt Charts reads a project folder; the one made
here holds links to (or copies of) them, the path of the published file, and what only that file
knows: its currency and its segments, each with one colour on every board. Boards that are read on
a telephone are the same ones drawn narrow, in `phone/`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import yaml  # type: ignore[import-untyped]

from pipeline import sentences
from pipeline.sentences import UserError
from pipeline.settings import Settings

BOARDS_FOLDER = "dashboard"
SHARED = "_shared.yml"
META = "meta.yml"
PHONE_COLUMNS = "_phone.yml"
# In the order in which the report shows them.
BOARDS = (
    "findings",
    "overview",
    "digital_engagement",
    "product_ownership",
    "transactions",
    "campaign_impact",
    "value",
    "segment_health",
    "cards",
)
# Reached from another board only: its address says what it shows.
DETAIL_BOARDS = ("claim",)
PHONE = "phone"
PHONE_WIDTH = 480
PHONE_STRETCH = 2.4
# Okabe and Ito's colours without black and yellow, then Tol's muted ones: told apart without red
# or green, and pale enough for a dark error bar.
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#999933",
    "#882255",
    "#44AA99",
    "#AA4499",
    "#332288",
    "#117733",
)
SMALL_CELL = "few customers"
SMALL_CELL_COLOUR = "#BBBBBB"
CURRENCIES = (
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "CAD",
    "AUD",
    "CHF",
    "SEK",
    "NOK",
    "DKK",
    "INR",
    "CNY",
    "BRL",
    "MXN",
)
_BOARD_LINK = re.compile(rf"(^|\()/({'|'.join((*BOARDS, *DETAIL_BOARDS))})(?=/)")
NOTHING_TO_DRAW = "There are not enough customers anywhere to show this."
_RELATION = re.compile(r"\b(?:marts|evidence|health)\.[a-z0-9_]+\b")


@dataclass(frozen=True)
class Query:
    """One query of a board, as DuckDB takes it, without a filter set."""

    board: str
    name: str
    sql: str


# --- may they be shown? ---


def check(settings: Settings, warehouse: Path) -> None:
    """Raise UserError unless every query of every board runs over `warehouse`."""
    shown = settings.shown(warehouse)
    if not warehouse.is_file():
        if settings.build_file.is_file():
            raise UserError(
                f"There is no {shown}: a build is there, but it is not published; run "
                "`make gate publish`."
            )
        raise UserError(f"There is no {shown}, since nothing was built yet; run `make build`.")
    try:
        connection = duckdb.connect(str(warehouse), read_only=True)
    except duckdb.Error as error:
        raise UserError(
            f"{shown} cannot be read ({sentences.one_line(str(error))}); run `make publish`."
        ) from error
    with connection:
        _refuse_other_contract(connection, settings, shown)
        _refuse_broken(connection, list(queries(settings.root)), shown)


def _refuse_other_contract(
    connection: duckdb.DuckDBPyConnection, settings: Settings, shown: str
) -> None:
    expected = str(settings.variable("contract_version"))
    try:
        found = connection.sql("select contract_version from health.build_info").fetchone()
    except duckdb.Error:
        found = None
    version = found[0] if found else "none"
    if version != expected:
        raise UserError(
            f"{shown} has contract version {version}, and the boards read version {expected}; "
            "run `make build` to publish it anew."
        )


def _refuse_broken(connection: duckdb.DuckDBPyConnection, asked: list[Query], shown: str) -> None:
    broken: list[tuple[Query, str]] = []
    for query in asked:
        try:
            connection.execute(f"explain {query.sql}")
        except duckdb.Error as error:
            text = str(error).split("LINE ")[0].removeprefix("Binder Error: ")
            broken.append((query, sentences.one_line(text).removeprefix("Catalog Error: ")))
    if broken:
        # Of a missing column DuckDB says plainly what is missing in plain queries alone.
        query, reason = next((one for one in broken if " column named " in one[1]), broken[0])
        raise UserError(
            f"{BOARDS_FOLDER}/{query.board}.yml, query {query.name}, does not fit {shown} "
            f"({reason}); change the query as the table was changed."
        )


def queries(root: Path) -> Iterator[Query]:
    """Every query of the boards, those of `_shared.yml` under the names boards give them."""
    shared = _read(root / BOARDS_FOLDER / SHARED)["queries"]
    for board in (*BOARDS, *DETAIL_BOARDS):
        named = _read(root / BOARDS_FOLDER / f"{board}.yml")["queries"]
        texts = {name: _text_of(value, shared) for name, value in named.items()}
        for name in texts:
            yield Query(board, name, _without_filters(texts, name))


def relations(root: Path, board: str) -> set[str]:
    """The tables a board reads, as schema.table."""
    return {
        found
        for query in queries(root)
        if query.board == board
        for found in _RELATION.findall(query.sql)
    }


def _text_of(value: Any, shared: dict[str, Any]) -> str:
    if isinstance(value, dict):
        return str(value["sql"])
    match = re.fullmatch(r"_shared\.queries\.(\w+)", str(value))
    return _text_of(shared[match[1]], shared) if match else str(value)


def _without_filters(texts: dict[str, str], name: str) -> str:
    """The query as dbt Charts would render it with every variable unset."""

    class Queries(dict[str, str]):
        def __missing__(self, other: str) -> str:
            return f"({_without_filters(texts, other)}) as {other}"

    environment = jinja2.Environment(undefined=_Unset, autoescape=False)
    rendered = environment.from_string(texts[name]).render(
        queries=Queries(), filter=lambda *_: "true"
    )
    return rendered.strip()


class _Unset(jinja2.Undefined):
    def __str__(self) -> str:
        return "null"


# --- the folder dbt Charts reads ---


def lay_out(settings: Settings, warehouse: Path, folder: Path, is_static: bool = False) -> None:
    """Make `folder` a dbt Charts project over `warehouse`.

    Boards are links, which follow their files while these are edited; `is_static` ones are copies
    without the filters that a drawing cannot use.
    """
    charts = folder / "charts"
    shutil.rmtree(folder, ignore_errors=True)
    (charts / PHONE).mkdir(parents=True)
    source = {"type": "duckdb", "path": str(warehouse), "schema": "marts"}
    _write(folder / "dbt_charts.yml", {"sources": {"published": source}, "cache": False})
    for path in sorted((settings.root / BOARDS_FOLDER).glob("*.yml")):
        if path.name in (META, PHONE_COLUMNS):
            continue
        # References are looked up in the folder of the board that names them.
        for copy in (charts, charts / PHONE) if path.name == SHARED else (charts,):
            if is_static:
                _write(copy / path.name, _without_controls(_read(path)))
            else:
                (copy / path.name).symlink_to(path)
    write_meta(settings, warehouse, folder, is_static)
    hidden = _read(settings.root / BOARDS_FOLDER / PHONE_COLUMNS)
    bare = _charts_without_a_value(settings.root, warehouse)
    for board in (*BOARDS, *DETAIL_BOARDS):
        content = _read(settings.root / BOARDS_FOLDER / f"{board}.yml")
        if bare[board]:
            content = _in_words(content, bare[board])
            (charts / f"{board}.yml").unlink()
            _write(charts / f"{board}.yml", _without_controls(content) if is_static else content)
        narrow = _narrow(_without_controls(content) if is_static else content)
        for chart, columns in hidden.get(board, {}).items():
            style = narrow["charts"][chart].setdefault("style", {})
            style["columns"] = {
                **style.get("columns", {}),
                **{column: {"visible": False} for column in columns},
            }
        _write(charts / PHONE / f"{board}.yml", narrow)


def _charts_without_a_value(root: Path, warehouse: Path) -> dict[str, set[str]]:
    """Board to its charts in which no mark would stand: dbt Charts refuses to draw them."""
    found: dict[str, set[str]] = {board: set() for board in (*BOARDS, *DETAIL_BOARDS)}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        asked = {(one.board, one.name): one.sql for one in queries(root)}
        for board in found:
            for name, chart in _read(root / BOARDS_FOLDER / f"{board}.yml")["charts"].items():
                value = chart.get("y")
                if isinstance(value, str) and (board, chart.get("query")) in asked:
                    sql = asked[board, chart["query"]]
                    row = connection.execute(f'select count("{value}") from ({sql})').fetchone()
                    if row == (0,):
                        found[board].add(name)
    return found


def _in_words(board: dict[str, Any], bare: set[str]) -> dict[str, Any]:
    """The board with words in the place of these charts."""
    queries, charts = dict(board["queries"]), dict(board["charts"])
    for name in bare:
        queries[f"{name}_in_words"] = {"sql": f"select '{NOTHING_TO_DRAW}' as note"}
        kept = {key: charts[name][key] for key in ("title", "subtitle") if key in charts[name]}
        charts[name] = {**kept, "query": f"{name}_in_words", "type": "table"}
    return {**board, "queries": queries, "charts": charts}


def write_meta(settings: Settings, warehouse: Path, folder: Path, is_static: bool = False) -> None:
    """Write what all boards of the laid-out folder share, with what `warehouse` knows."""
    meta = _meta(settings, warehouse)
    if is_static:
        meta["style"]["footer"] = {"visible": False}
    _write(folder / "charts" / META, meta)


def _without_controls(board: dict[str, Any]) -> dict[str, Any]:
    """The board with its filters unset and unseen."""
    variables = {
        name: value if isinstance(value, str) else {**value, "visible": False}
        for name, value in board.get("variables", {}).items()
    }
    return {**board, "variables": variables} if variables else board


def _narrow(board: dict[str, Any]) -> dict[str, Any]:
    """The board for a telephone: panels below each other, at most two figures beside each other."""
    board = _linked_narrow(board)
    charts = {name: _narrow_chart(chart) for name, chart in board.get("charts", {}).items()}
    style = {"frame": {"width": PHONE_WIDTH, "margin": 14}}
    return {**board, "charts": charts, "rows": _narrow_rows(board["rows"]), "style": style}


def _narrow_chart(chart: dict[str, Any]) -> dict[str, Any]:
    if "axis_x" in chart.get("style", {}):
        # Long names get room where there is some.
        rest = {key: value for key, value in chart["style"].items() if key != "axis_x"}
        chart = {**chart, "style": rest}
    multiples = chart.get("multiples", {})
    marks = chart.get("style", {}).get("marks", {}).get("bar", {})
    if "rows" in multiples and "labels" in marks:
        # Beside the names of rows and panels there is no room for them.
        bar = {key: value for key, value in marks.items() if key != "labels"}
        chart = {**chart, "style": {**chart["style"], "marks": {"bar": bar}}}
    if "columns" not in multiples:
        return chart
    rest = {key: value for key, value in multiples.items() if key != "columns"}
    narrow = {**chart, "multiples": {"rows": multiples["columns"], **rest}}
    return {**narrow, "height": PHONE_STRETCH * chart["height"]}


def _narrow_rows(rows: list[Any]) -> list[Any]:
    narrow: list[Any] = []
    for row in rows:
        if isinstance(row, dict) and "cols" in row:
            columns = row["cols"]
            narrow += [{"cols": columns[start : start + 2]} for start in range(0, len(columns), 2)]
        elif isinstance(row, dict) and "rows" in row:
            narrow.append({**row, "rows": _narrow_rows(row["rows"])})
        else:
            narrow.append(row)
    return narrow


def _meta(settings: Settings, warehouse: Path) -> dict[str, Any]:
    """`meta.yml` with the currency and the segments' colours of the published file."""
    meta: dict[str, Any] = _read(settings.root / BOARDS_FOLDER / META)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.sql(
            """
            select segments.segment_name, segments.grain = 'customer' as is_customer
            from marts.segments as segments
            cross join health.build_info as build
            order by
                segments.segmentation <> build.primary_segmentation, segments.segmentation,
                segments.segment_id
            """
        ).fetchall()
        ((currency,),) = connection.sql("select currency from health.build_info").fetchall()
    if currency in CURRENCIES:
        meta.setdefault("regional", {})["currency"] = currency
    else:
        # No symbol is known; amounts are numbers, and titles say in what.
        plain = {"currency": ",.0f", "currency_whole": ",.0f", "currency_full": ",.2f"}
        meta["style"].setdefault("formats", {}).update(plain)
    pins = meta["style"]["charts"].setdefault("category_colors", {})
    pins["shade"] = {"values": _colours([name for name, is_customer in rows if is_customer])}
    pins["card_shade"] = {
        "values": _colours([name for name, is_customer in rows if not is_customer])
    }
    return meta


def _colours(names: list[str]) -> dict[str, str]:
    """A colour a name, as far as colours go; later ones get any of the theme's."""
    distinct = list(dict.fromkeys(names))
    return {**dict(zip(distinct, COLOURS, strict=False)), SMALL_CELL: SMALL_CELL_COLOUR}


# --- dbt Charts itself ---


def environment() -> dict[str, str]:
    """The environment of a dbt Charts process: nothing is sent anywhere."""
    return {**os.environ, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def command(*arguments: str) -> list[str]:
    """The command line of dbt Charts in this environment."""
    return [str(Path(sys.executable).parent / "dct"), *arguments]


def render(folder: Path, output: Path) -> dict[str, str]:
    """Draw the boards of a laid-out folder as pages, into `output`: a process for each width.

    Returns the pages by board, those for telephones by phone/board. Raises UserError for the first
    board that cannot be drawn.
    """
    names = {width: [f"{width}{board}" for board in BOARDS] for width in ("", f"{PHONE}/")}
    drawing = [
        subprocess.Popen(
            command(
                "render",
                *(f"charts/{name}.yml" for name in group),
                *("--format", "html", "--no-cache", "--no-warnings", "--diagnostics-json"),
                *("--output", str(output / "{dir}" / "{stem}.html")),
            ),
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for group in names.values()
    ]
    said = [process.communicate()[1] for process in drawing]
    for process, stderr in zip(drawing, said, strict=True):
        if process.returncode:
            raise UserError(_failure(stderr))
    return {
        name: (output / f"charts/{name}.html").read_text(encoding="utf-8")
        for group in names.values()
        for name in group
    }


def _failure(stderr: str) -> str:
    """What dbt Charts says of the first board it could not draw, as a sentence."""
    for line in stderr.splitlines():
        try:
            diagnostic = json.loads(line)
        except ValueError:
            continue
        if diagnostic.get("level", diagnostic.get("severity")) == "error":
            where = Path(str(diagnostic.get("file") or diagnostic.get("path") or "")).name
            message = sentences.one_line(str(diagnostic.get("message", "")))
            return f"{BOARDS_FOLDER}/{where} cannot be drawn: {message}".rstrip(".") + "."
    last = sentences.one_line(stderr)[-300:] or "it gave no reason"
    return f"The boards cannot be drawn: {last}"


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def _linked_narrow(value: Any) -> Any:
    """Links to other boards, made to lead to those for telephones."""
    if isinstance(value, dict):
        return {key: _linked_narrow(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_linked_narrow(part) for part in value]
    return _BOARD_LINK.sub(rf"\g<1>/{PHONE}/\g<2>", value) if isinstance(value, str) else value


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
