"""Whole runs as a user starts them: import, load, gate, publish, and refuse what is partial.

Skipped, with the reason printed, where the study's file is not found (see test_importer.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from conftest import OWN_VARIABLES, PROJECT, copy_project
from rendering import project_vars
from test_importer import SHARED_DATA, STUDY_FILE

from pipeline import study_pages, verdict_page
from pipeline.settings import Settings

# The study's clusters, the largest first: size, mean customer CTR, pooled CTR, housing loan,
# internet banking, median withdrawal total.
PUBLISHED = pd.DataFrame(
    [
        (6_084, 0.054, 0.057, 0.284, 0.242, 519),
        (5_732, 0.112, 0.117, 0.155, 0.244, 757),
        (5_523, 0.112, 0.117, 0.150, 0.234, 761),
        (2_661, 0.015, 0.017, 0.310, 0.246, 138),
    ],
    columns=["size", "mean_ctr", "pooled_ctr", "housing_loan", "internet_banking", "withdrawal"],
)


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy of the project with nothing set but `environment`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OWN_VARIABLES and not name.startswith(("SEGMART_", "DBT_", "PUBLISHED"))
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | {"PWD": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def study_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the study imported, built, gated and published."""
    if not STUDY_FILE.is_file():
        reason = f"the study's file is not there: {STUDY_FILE} (SEGMART_SHARED_DATA)"
        print(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("study") / "project"
    copy_project(folder)
    study = ("behavioural_study", str(STUDY_FILE), "imported/study")
    imported = run(folder, sys.executable, "-m", "pipeline.import_source", *study)
    assert imported.returncode == 0, imported.stderr
    for step in ("load", "gate", "publish"):
        done = run(folder, sys.executable, "-m", f"pipeline.{step}", RAW_DATA="imported/study")
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
    return folder


def test_the_study_gives_its_four_clusters(study_run: Path) -> None:
    with duckdb.connect(str(study_run / "published" / "warehouse.duckdb"), read_only=True) as file:
        found = file.sql("""
            select
                segments.entity_count as size,
                engagement.mean_customer_ctr as mean_ctr,
                engagement.ctr as pooled_ctr,
                loan.ownership_rate as housing_loan,
                online.ownership_rate as internet_banking,
                withdrawals.amount_per_customer_median as withdrawal
            from marts.segments
            join marts.segment_engagement as engagement using (segmentation, segment_id)
            join marts.segment_product_ownership as loan using (segmentation, segment_id)
            join marts.segment_product_ownership as online using (segmentation, segment_id)
            join marts.segment_transactions as withdrawals using (segmentation, segment_id)
            where loan.product = 'housing_loan'
                and online.product = 'internet_banking'
                and withdrawals.transaction_type = 'withdrawal'
            order by size desc
        """).df()
        sources = file.sql("select source_name from health.build_info").fetchall()
    assert sources == [("behavioural_study",)]
    assert len(found) == len(PUBLISHED)
    distance = (found - PUBLISHED).abs()
    assert (distance["size"] <= 0.01 * PUBLISHED["size"]).all(), found
    assert (distance["withdrawal"] <= 0.02 * PUBLISHED["withdrawal"]).all(), found
    rates = ["mean_ctr", "pooled_ctr", "housing_loan", "internet_banking"]
    assert (distance[rates] <= 0.003).all(axis=None), found


def test_a_partial_build_is_not_published_and_dbt_says_who_publishes(study_run: Path) -> None:
    published = study_run / "published" / "warehouse.duckdb"
    before = published.stat().st_ino, published.stat().st_mtime_ns
    dbt = str(Path(sys.executable).with_name("dbt"))
    part = run(
        study_run, dbt, "build", "--select", "segment_engagement+", RAW_DATA="imported/study"
    )
    assert part.returncode == 0, part.stdout[-3000:]
    assert "make publish" in part.stdout.rstrip().splitlines()[-1]
    for step in ("gate", "publish"):
        refused = run(
            study_run, sys.executable, "-m", f"pipeline.{step}", RAW_DATA="imported/study"
        )
        assert refused.returncode == 1
        assert "a part only" in refused.stderr.strip().splitlines()[-1]
    assert (published.stat().st_ino, published.stat().st_mtime_ns) == before


def test_the_page_of_the_studies_is_what_their_builds_give(study_run: Path) -> None:
    """The first study as the other tests built it, the second with no more than the page shows."""
    source, path = list(study_pages.STUDIES.items())[1]
    if not (SHARED_DATA / path).is_file():
        reason = f"the study's file is not there: {SHARED_DATA / path} (SEGMART_SHARED_DATA)"
        print(reason)
        pytest.skip(reason)
    second = (source, str(SHARED_DATA / path), "imported/second")
    imported = run(study_run, sys.executable, "-m", "pipeline.import_source", *second)
    assert imported.returncode == 0, imported.stderr
    dbt = str(Path(sys.executable).with_name("dbt"))
    kinds = ("--resource-type", "seed", "--resource-type", "model")
    shown = ("+claim_verdicts", "+recommendations", "+build_info")
    built = run(
        study_run, dbt, "build", *kinds, "--select", *shown, RAW_DATA=str(study_run / second[2])
    )
    assert built.returncode == 0, built.stdout[-3000:]
    sections = []
    for name in ("imported/study", second[2]):
        environment = {"RAW_DATA": str(study_run / name)}
        build = Settings.from_environment(environment, study_run).build_file
        with duckdb.connect(str(build), read_only=True) as connection:
            sections.append(verdict_page.study(connection, project_vars()["currency"]))
    committed = (PROJECT / study_pages.PAGE).read_text(encoding="utf-8")
    assert committed == study_pages.page(sections), "run: make study-pages"
