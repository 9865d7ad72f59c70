"""Boards and report as people see them: `make test-browser`.

Every page is also photographed into `screenshots/`, for people to look at.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
import yaml  # type: ignore[import-untyped]
from conftest import PROJECT, SCREENSHOTS
from playwright.sync_api import Browser, Page

from pipeline import boards, report
from pipeline.settings import Settings

SEGMENT = "Affluent Inactives"
# Of a drawing: marks of a chart, or rows of a table, or the number of a single figure.
MARKS = (
    ".mark-rect path, .mark-symbol path, .mark-line path, .mark-area path, .role-mark path, text"
)
WIDTHS = {"wide": ("", 1280), "phone": (f"{boards.PHONE}/", 390)}


@contextmanager
def opened(chromium: Browser, url: str, width: int, offline: bool = False) -> Iterator[Page]:
    """A page without a single error of the browser's console, nor a request that fails."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, offline=offline)
    page = context.new_page()
    errors: list[str] = []
    page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            # Browsers ask every server for it.
            if message.type == "error" and not message.location["url"].endswith("favicon.ico")
            else None
        ),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.evaluate("document.fonts.ready")
    yield page
    assert not errors, errors
    context.close()


def drawn_titles(page: Page) -> list[str]:
    """The titles of charts as they are painted."""
    return page.locator(".dbt-chart .role-title-text text").all_text_contents()


def painted(page: Page, selector: str) -> str:
    """The text that is drawn somewhere, as one line."""
    return " ".join(" ".join(page.locator(f"{selector} text").all_text_contents()).split())


def labels(page: Page, chart: str) -> list[str]:
    """What a screen reader says of each mark of a chart."""
    found = page.locator(f"#chart-{chart} [aria-roledescription=bar]")
    return [found.nth(one).get_attribute("aria-label") or "" for one in range(found.count())]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("board", [*boards.BOARDS, *boards.DETAIL_BOARDS])
def test_a_board_is_drawn_whole(chromium: Browser, address: str, board: str, width: str) -> None:
    """No errors; every chart has marks, a name for screen readers, and a title nobody cut."""
    path, pixels = WIDTHS[width]
    with opened(chromium, f"{address}/{path}{board}/", pixels) as page:
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{board}_{pixels}.png", full_page=True)
        charts = page.locator(".dbt-chart")
        assert charts.count() > 0
        for one in range(charts.count()):
            chart = charts.nth(one)
            name = chart.get_attribute("id")
            assert chart.locator(MARKS).count() > 0, f"{name} is empty"
            if chart.get_attribute("data-chart-type") not in ("table", "kpi"):
                assert chart.get_attribute("aria-label"), f"{name} has no text for screen readers"
        assert [title for title in drawn_titles(page) if "…" in title] == []
        assert "{{" not in painted(page, "body")
        assert page.evaluate("document.documentElement.scrollWidth") <= pixels


def test_every_chart_of_the_demo_is_shown(chromium: Browser, address: str) -> None:
    """The demo has all optional files, so that only what history brings is missing."""
    absent = {"segment_health": {"migrations", "events"}, "campaign_impact": {"refused"}}
    for board in boards.BOARDS:
        content = yaml.safe_load((PROJECT / "dashboard" / f"{board}.yml").read_text())
        with opened(chromium, f"{address}/{board}/", 1280) as page:
            charts = page.locator("[data-chart-id]")
            shown = {
                charts.nth(one).get_attribute("data-chart-id") for one in range(charts.count())
            }
        assert shown == set(content["charts"]) - absent.get(board, set()), board


def test_a_deep_link_opens_filtered_to_the_marts_numbers(
    chromium: Browser, address: str, published: Path
) -> None:
    with duckdb.connect(str(published / "warehouse.duckdb"), read_only=True) as warehouse:
        ((ctr, n),) = warehouse.execute(
            "select ctr, reached_customer_count from marts.segment_engagement "
            "where segment_name = ?",
            [SEGMENT],
        ).fetchall()
    with opened(chromium, f"{address}/digital_engagement/?segments={quote(SEGMENT)}", 1280) as page:
        said = labels(page, "ctr")
        drawn = painted(page, "#chart-ctr")
    assert said and all(SEGMENT in label for label in said), said
    assert any(f"ctr: {100 * ctr:.1f}%" in label for label in said), said
    assert f"{100 * ctr:.1f} %, n {n:,}" in drawn


def test_the_filter_changes_the_chart(chromium: Browser, address: str) -> None:
    with opened(chromium, f"{address}/digital_engagement/", 1280) as page:
        assert len({label.split(";")[0] for label in labels(page, "ctr")}) > 1
        box = page.locator('[data-dbt-variable="segments"]').first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
        page.locator(".dbt-select-option").filter(has_text=SEGMENT).click()
        page.keyboard.press("Escape")
        page.wait_for_url("**segments=**")
        page.wait_for_function(
            """name => [...document.querySelectorAll(
                '#chart-ctr [aria-roledescription=bar]')].every(
                    mark => mark.getAttribute('aria-label').includes(name))""",
            arg=SEGMENT,
        )
        assert labels(page, "ctr")


def test_findings_are_filtered_by_use_and_lead_to_how_they_were_read(
    chromium: Browser, address: str, published: Path
) -> None:
    with duckdb.connect(str(published / "warehouse.duckdb"), read_only=True) as warehouse:
        usable = warehouse.sql(
            "select sentence, read_as from evidence.claim_verdicts where use_it = 'yes'"
        ).fetchall()
        ((other,),) = warehouse.sql(
            "select any_value(sentence) from evidence.claim_verdicts where use_it = 'no'"
        ).fetchall()
    with opened(chromium, f"{address}/findings/?use_it=yes", 1280) as page:
        text = painted(page, "#chart-claims")
        for sentence, _ in usable:
            assert sentence.split()[0] in text
        assert " ".join(other.split()[:3]) not in text
        page.locator("#chart-claims a").first.click()
        page.wait_for_url("**/claim*")
        text = painted(page, "#chart-facts")
        assert any(" ".join(read_as.split()[:4]) in text for _, read_as in usable)


@pytest.fixture(scope="session")
def lessened(
    serve: Callable[[Path], str], published: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Boards over a file without campaigns and cards, of noise, that suppresses many cells."""
    folder = tmp_path_factory.mktemp("lessened")
    shutil.copyfile(published / "warehouse.duckdb", folder / "warehouse.duckdb")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        for table in ("segment_engagement", "segment_channel_engagement", "campaign_performance"):
            warehouse.execute(f"delete from marts.{table}")
        warehouse.execute("delete from marts.segment_month_engagement")
        warehouse.execute("delete from marts.card_segment_risk")
        warehouse.execute("delete from evidence.campaign_effects")
        warehouse.execute("update marts.segments set no_structure_found = true")
        warehouse.execute("update evidence.segmentation_noise_check set no_structure_found = true")
        warehouse.execute("update health.build_info set suppressed_cell_customers = 800")
    return serve(folder)


@pytest.mark.parametrize(
    ("board", "sentence"),
    [
        ("digital_engagement", "There is no campaign data in this build."),
        ("campaign_impact", "There is no campaign with a holdout in this build,"),
        ("cards", "There is no card data in this build."),
        ("overview", "No structure was found in the segmentation behaviour."),
        ("findings", "No structure was found in the segmentation behaviour."),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    chromium: Browser, lessened: str, board: str, sentence: str
) -> None:
    with opened(chromium, f"{lessened}/{board}/", 1280) as page:
        assert sentence in painted(page, "body")


def test_a_cell_of_too_few_customers_is_named_and_not_shown(
    chromium: Browser, lessened: str, published: Path
) -> None:
    with duckdb.connect(str(published / "warehouse.duckdb"), read_only=True) as warehouse:
        few = warehouse.sql(
            "select segment_name, customer_count from marts.segment_ownership "
            "where customer_count < 800"
        ).fetchall()
    assert few, "no segment of the demo is under 800; choose another size"
    with opened(chromium, f"{lessened}/product_ownership/", 1280) as page:
        text = painted(page, "#chart-any")
    for name, count in few:
        assert f"{name} (fewer" in text
        assert f"n {count:,}" not in text


@pytest.fixture(scope="session")
def drawn_report(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report, drawn anew, alone in a folder."""
    settings = Settings.from_environment({"PUBLISHED": str(published)}, PROJECT)
    path = report.write(settings)
    return Path(shutil.copyfile(path, tmp_path_factory.mktemp("report") / report.REPORT_NAME))


@pytest.mark.parametrize("pixels", [1280, 390])
def test_the_report_opens_from_the_disk_without_a_network(
    chromium: Browser, drawn_report: Path, pixels: int
) -> None:
    with opened(chromium, drawn_report.as_uri(), pixels, offline=True) as page:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.reload()
        page.evaluate("document.fonts.ready")
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"report_{pixels}.png", full_page=True)
        sections = page.locator("section")
        order = [sections.nth(one).get_attribute("id") for one in range(sections.count())]
        shown = page.locator(".wide" if pixels > 720 else ".phone")
        for one in range(shown.count()):
            assert shown.nth(one).is_visible()
            assert shown.nth(one).locator(".dbt-chart").count() > 0
        width = page.evaluate("document.documentElement.scrollWidth")
        page.locator("details summary").first.click()
        assert "Read as:" in page.locator("details").first.inner_text()
    assert order == list(boards.BOARDS)
    assert order[0] == "findings"
    assert width <= pixels
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []


def test_the_report_names_no_customer(drawn_report: Path, published: Path) -> None:
    text = drawn_report.read_text(encoding="utf-8")
    words = set(re.findall(r"[\w-]+", re.sub(r"base64,[\w+/=]+", "", text)))
    with duckdb.connect(str(published / "customers.duckdb"), read_only=True) as customers:
        ids = {
            one for (one,) in customers.sql("select customer_id from customer_segments").fetchall()
        }
    assert len(ids) > 1000
    assert not ids & words
