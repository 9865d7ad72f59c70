"""Pictures of the report for the README: `make pictures` writes docs/board_*.png.

They are taken by a browser from `published/report.html`, which is to be the demo's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
from playwright.sync_api import sync_playwright

from pipeline import report, sentences
from pipeline.sentences import UserError
from pipeline.settings import BUILD_FILE_NAME, DEMO_KEY, Settings

# The board, and how many pixels of it from the top.
PICTURES = {"findings": 620, "digital_engagement": 720}
WIDTH = 1000
BROWSER_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser() -> str | None:
    """Where a Chromium is, if one is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


def main() -> None:
    """Write the pictures of the demo's report."""
    settings = Settings.from_environment()
    page = settings.published_folder / report.REPORT_NAME
    executable = browser()
    if executable is None:
        raise UserError("There is no chromium to take pictures with; install it.")
    if not page.is_file():
        raise UserError(f"There is no {settings.shown(page)}; run `make build`.")
    with duckdb.connect(str(page.with_name(BUILD_FILE_NAME)), read_only=True) as warehouse:
        ((source,),) = warehouse.sql("select source_name from health.build_info").fetchall()
    if source != DEMO_KEY:
        raise UserError(
            f"{settings.shown(page)} is of {source}, and the README shows the demo; publish it."
        )
    for path in take(page, settings.root / "docs", executable):
        print(settings.shown(path))


def take(page: Path, folder: Path, executable: str) -> list[Path]:
    """Photograph the top of the boards of `PICTURES` into `folder`, without a network."""
    written = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=list(BROWSER_OPTIONS)
        )
        context = chromium.new_context(viewport={"width": WIDTH, "height": 800}, offline=True)
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.evaluate("document.fonts.ready")
        for board, height in PICTURES.items():
            box = tab.locator(f"#{board}").bounding_box()
            assert box is not None
            path = folder / f"board_{board}.png"
            clip = {"x": 0.0, "y": box["y"], "width": float(WIDTH), "height": float(height)}
            tab.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]
            written.append(path)
        chromium.close()
    return written


if __name__ == "__main__":
    sentences.run(main)
