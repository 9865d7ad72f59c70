"""Every KPI the documentation names is a column of a mart."""

from __future__ import annotations

import re

import pandas as pd
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


STUDIES = {
    "behavioural_study": "behavioural study",
    "customer_behaviour_study": "customer behaviour study",
    "card_study": "card study",
}


def lines() -> list[tuple[str, str, str, str]]:
    """Area, KPI, where it is, and the studies that quote it, of every line of the first table."""
    table = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    return [
        (area.strip(), kpi.strip(), where.strip(), quoted.strip())
        for area, kpi, where, quoted in rows
    ]


def columns_of(where: str) -> list[tuple[str, ...]]:
    """Mart and column of every place a line names."""
    return [tuple(name.split(".")) for name in re.findall(r"`(\w+\.\w+)`", where)]


def test_every_area_and_kpi_of_the_studies_has_a_line() -> None:
    assert sorted({area for area, *_ in lines()}) == sorted(AREAS)
    assert [name for name in KPIS if name not in {kpi for _, kpi, *_ in lines()}] == []


def test_every_column_named_exists() -> None:
    known = documented_columns()
    named = [place for _, _, where, _ in lines() for place in columns_of(where)]
    assert len(named) > 30
    assert [place for place in named if place[1] not in known.get(place[0], {})] == []
    assert all(columns_of(where) and "(" not in where.split("`")[0] for _, _, where, _ in lines())
    assert "pending" not in PAGE.read_text(encoding="utf-8")


def test_the_studies_named_are_those_whose_sentences_quote_the_kpi() -> None:
    claims = pd.concat(
        pd.read_csv(ROOT / "importers" / f"{source}_claims.csv", dtype=str) for source in STUDIES
    )
    # Of a profile the figure is named by its feature.
    claims["metric"] = claims["metric"].mask(claims["mart"] == "segment_profiles", "mean_value")
    quoting = claims.groupby(["mart", "metric"])["source"].agg(set).to_dict()
    for _, kpi, where, quoted in lines():
        sources = set().union(*(quoting.get(place, set()) for place in columns_of(where)))
        expected = " and ".join(STUDIES[source] for source in sorted(sources))
        assert quoted.split(",")[0] == (expected or "no study quotes it"), kpi


def test_columns_of_odd_input_exist() -> None:
    text = PAGE.read_text(encoding="utf-8").split("## What happens to odd input")[1]
    marts = documented_columns()
    known = set().union(marts, project_vars(), *marts.values())
    values = {
        *("other", "nobody_assigned", "holdout_with_impressions"),
        *("one_arm", "no_holdings", "no_transactions", "short_record"),
    }
    assert set(re.findall(r"`(\w+)`", text)) - values - known == set()
