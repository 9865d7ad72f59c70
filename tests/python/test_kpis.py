"""Every KPI the documentation names is a column of a mart."""

from __future__ import annotations

import re

from evidence_sql import documented_columns
from rendering import ROOT, project_vars

PAGE = ROOT / "docs" / "kpis.md"
AREAS = ["segmentation", "engagement", "behavioural patterns", "campaign impact", "updates"]
KPIS = [
    "open rate",
    "click-through rate",
    "social engagement",
    "engagement rate",
    "conversion rate",
    "CLV",
    "ROI",
    "churn",
    "retention",
    "outreach",
]


def lines() -> list[tuple[str, str, str]]:
    """Area, KPI and where it is, of every line of the first table."""
    table = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    return [(area.strip(), kpi.strip(), where.strip()) for area, kpi, where in rows]


def test_every_area_and_kpi_of_the_studies_has_a_line() -> None:
    assert sorted({area for area, _, _ in lines()}) == sorted(AREAS)
    assert [name for name in KPIS if name not in {kpi for _, kpi, _ in lines()}] == []


def test_every_column_named_exists_or_its_mart_is_pending() -> None:
    known = documented_columns()
    named = [
        (*name.split("."), "(pending)" in where)
        for _, _, where in lines()
        for name in re.findall(r"`(\w+\.\w+)`", where)
    ]
    assert len(named) > 30
    assert [
        f"{mart}.{column}"
        for mart, column, is_pending in named
        if (mart in known) == is_pending or (not is_pending and column not in known[mart])
    ] == []


def test_columns_of_odd_input_exist() -> None:
    text = PAGE.read_text(encoding="utf-8").split("## What happens to odd input")[1]
    marts = documented_columns()
    known = set().union(marts, project_vars(), *marts.values())
    values = {
        *("other", "nobody_assigned", "holdout_with_impressions"),
        *("one_arm", "no_holdings", "no_transactions", "short_record"),
    }
    assert set(re.findall(r"`(\w+)`", text)) - values - known == set()
