"""The boards as one page for people without a terminal: `make report` writes `report.html`.

dbt Charts draws every board twice, wide and for a telephone, as pages of their own; here their
drawings are put into one file that needs nothing else: no network, no other file. Findings come
first. Every publish writes it (`pipeline.publish`), after the tables are in place.
"""

from __future__ import annotations

import html
import re
import shutil
import tempfile
import time
from pathlib import Path

import duckdb

from pipeline import boards, log, sentences
from pipeline.files import write_whole
from pipeline.sentences import UserError
from pipeline.settings import BUILD_FILE_NAME, Settings

REPORT_NAME = "report.html"
_FONTS = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
_DRAWING = re.compile(r"data-dbt-board>\s*(<svg.*</svg>)", re.DOTALL)
_SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)
_CLAIM = re.compile(rf'href="(?:/{boards.PHONE})?/claim/?\?claim=([^"&]+)[^"]*"')
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
STYLE = """
body { margin: 0; background: #fff; color: #222; font: 15px/1.45 'Inter Variable', sans-serif; }
header, section, footer { max-width: 1100px; margin: 0 auto; padding: 0 16px; }
h1 { font: 600 26px 'Source Serif 4', Georgia, serif; margin: 24px 0 4px; }
nav a { display: inline-block; margin: 4px 14px 4px 0; color: #00568a; }
section { border-top: 1px solid #dfe1e5; margin-top: 12px; padding-top: 4px; }
section svg { display: block; width: 100%; height: auto; }
section h2 { font: 600 18px 'Source Serif 4', Georgia, serif; }
.phone { display: none; }
details { border-bottom: 1px solid #eee; padding: 8px 0; }
summary { cursor: pointer; }
details p { margin: 6px 0 6px 18px; }
footer { color: #666; font-size: 13px; padding: 24px 16px; }
@media (max-width: 720px) { .wide { display: none; } .phone { display: block; } }
@media print { section { break-before: page; } .phone { display: none; } }
"""
# What the page may load, should anything in the data ever look like code: nothing.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; font-src data:; "
    "img-src data:"
)


def main() -> None:
    """Write the report of the published file and say where it is."""
    started = time.monotonic()
    settings = Settings.from_environment()
    path = write(settings)
    seconds = round(time.monotonic() - started, 1)
    log.write("make report", "written", path=settings.shown(path), seconds=seconds)
    print(f"{settings.shown(path)} ({path.stat().st_size / 1e6:.1f} MB, {seconds:.0f} s)")


def write(settings: Settings) -> Path:
    """Draw the published file's boards and replace `report.html` beside it, in one step.

    Raises UserError, with the earlier report left as it is, where they cannot be drawn.
    """
    warehouse = settings.published_folder / BUILD_FILE_NAME
    path = settings.published_folder / REPORT_NAME
    try:
        boards.check(settings, warehouse)
        with tempfile.TemporaryDirectory(prefix="segmart-report-") as name:
            folder = Path(name)
            # A copy, so that the whole report is of one publish.
            copy = Path(shutil.copyfile(warehouse, folder / BUILD_FILE_NAME))
            boards.lay_out(settings, copy, folder / "boards", is_static=True)
            drawn = boards.render(folder / "boards", folder / "pages")
            with duckdb.connect(str(copy), read_only=True) as connection:
                text = page(drawn, connection)
        write_whole(path, text)
    except OSError as error:
        raise UserError(f"The report was not written: {sentences.of_os_error(error)}.") from error
    return path


def page(drawn: dict[str, str], warehouse: duckdb.DuckDBPyConnection) -> str:
    """The whole report from the pages of its boards, by board and by phone/board."""
    ((source, as_of),) = warehouse.sql(
        "select source_name, strftime(as_of_on, '%-d %B %Y') from health.build_info"
    ).fetchall()
    titles = {board: _found(_TITLE, drawn[board], board) for board in boards.BOARDS}
    links = "".join(f'<a href="#{board}">{titles[board]}</a>' for board in boards.BOARDS)
    sections = []
    for board in boards.BOARDS:
        wide = _drawing(drawn[board], board)
        narrow = _drawing(drawn[f"{boards.PHONE}/{board}"], f"{boards.PHONE}-{board}")
        more = _readings(warehouse) if board == "findings" else ""
        sections.append(
            f'<section id="{board}" aria-label="{titles[board]}">'
            f'<div class="wide">{wide}</div><div class="phone">{narrow}</div>{more}</section>'
        )
    first = drawn[boards.BOARDS[0]]
    heading = f"Segmart: {html.escape(source)}, as of {as_of}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{heading}</title>",
            f"<style>{''.join(_FONTS.findall(first))}{STYLE}</style></head><body>",
            f"<header><h1>{heading}</h1><nav>{links}</nav></header>",
            *sections,
            "<footer>Written from the published tables; do not edit it. How to read a verdict is "
            "in how_to_read_a_verdict.md beside this file. Drawn with dbt Charts.</footer>",
            _SCRIPT.findall(first)[-1],
            "</body></html>\n",
        ]
    )


def _drawing(text: str, prefix: str) -> str:
    """The board's SVG without its fonts, its ids made its own, its links kept inside the page."""
    drawing = _FONTS.sub("", _found(_DRAWING, text, prefix))
    drawing = re.sub(r'(\sid=")', rf"\g<1>{prefix}-", drawing)
    drawing = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}-", drawing)
    return _CLAIM.sub(r'href="#claim-\g<1>"', drawing)


def _found(pattern: re.Pattern[str], text: str, board: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise UserError(
            f"The page dbt Charts drew of {board} is not built as expected; the report takes "
            "version 0.10 (requirements.lock)."
        )
    return match[1]


def _readings(warehouse: duckdb.DuckDBPyConnection) -> str:
    """How each sentence was read, one click away."""
    rows = warehouse.sql(
        """
        select claim_id, sentence, coalesce(verdict_label, 'An explanation'), read_as, reason
        from evidence.claim_verdicts
        order by sentence
        """
    ).fetchall()
    if not rows:
        return ""
    items = []
    for row in rows:
        claim, sentence, verdict, read_as, reason = (html.escape(value or "") for value in row)
        read = f"<p><b>Read as:</b> {read_as}</p>" if read_as else ""
        items.append(
            f'<details id="claim-{claim}"><summary>{sentence} <b>{verdict}</b></summary>'
            f"{read}<p><b>Why:</b> {reason}</p></details>"
        )
    return f"<h2>How each sentence was read</h2>{''.join(items)}"


if __name__ == "__main__":
    sentences.run(main)
