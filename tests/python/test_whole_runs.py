"""Whole runs as a user starts them: import, load, gate, publish, and refuse what is partial.

Skipped, with the reason printed, where the study's file is not found (see test_importer.py).
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from conftest import OWN_VARIABLES, PROJECT, copy_project
from test_importer import SHARED_DATA, STUDY_FILE

from pipeline import study_pages, verdict_page
from pipeline.settings import Settings

pytestmark = pytest.mark.long

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


@pytest.fixture(scope="module")
def second_run(study_run: Path) -> Path:
    """The second study in the same copy, with no more than its page shows; its raw folder."""
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
    return study_run / second[2]


def verdicts_of(file: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return file.sql("from evidence.claim_verdicts").df().set_index("claim_id")


def assert_all(verdicts: pd.DataFrame, claims: str, verdict: str, count: int) -> pd.DataFrame:
    """The claims whose id begins so; fail unless there are `count` and all have this verdict."""
    found = verdicts[verdicts.index.str.match(claims)]
    assert len(found) == count, claims
    assert set(found["verdict"]) == {verdict}, found["verdict"]
    return found


def test_what_was_put_into_the_first_study_comes_out_as_such(study_run: Path) -> None:
    with duckdb.connect(str(study_run / "published" / "warehouse.duckdb"), read_only=True) as file:
        verdicts = verdicts_of(file)
    loans = assert_all(verdicts, "bs_housing_loan_", "circular", 4)
    totals = assert_all(verdicts, "bs_(higher|lowest)_(withdrawals|deposits)", "circular", 4)
    assert pd.concat([loans, totals])["figure_reproduces"].all()
    spread = assert_all(verdicts, "bs_more_variable_", "not_identifiable", 2)
    assert spread["reason"].str.contains("made up from totals").all()
    # How the number goes with the mean is partly arithmetic; with the total it is not.
    means = assert_all(verdicts, "bs_count_against_mean", "circular", 1)
    assert means["figure_found"].item() == pytest.approx(-0.98, abs=0.01)
    assert "arithmetic" in means["reason"].item()
    counts = assert_all(verdicts, "bs_count_against_total", "supported", 1)
    assert counts["figure_found"].item() == pytest.approx(-0.61, abs=0.06)
    assert_all(verdicts, "bs_traits_over_platform", "supported", 1)


def test_what_is_known_of_the_second_study_comes_out(second_run: Path) -> None:
    build = Settings.from_environment({"RAW_DATA": str(second_run)}, second_run.parents[1])
    with duckdb.connect(str(build.build_file), read_only=True) as file:
        found = file.sql("""
            select
                withdrawals.transactions_per_customer as withdrawals,
                deposits.transactions_per_customer as deposits,
                purchases.purchase_rate as purchases
            from marts.segments
            join marts.segment_transactions as withdrawals using (segmentation, segment_id)
            join marts.segment_transactions as deposits using (segmentation, segment_id)
            join marts.segment_product_ownership as purchases using (segmentation, segment_id)
            where withdrawals.transaction_type = 'withdrawal'
                and deposits.transaction_type = 'deposit'
                and purchases.product = 'advertised_product'
            order by segments.segment_name
        """).df()
        verdicts = verdicts_of(file)
    assert list(found["withdrawals"].round(2)) == [3.23, 0.78, 1.49, 0.88]
    assert list(found["deposits"].round(2)) == [1.63, 0.73, 3.25, 0.83]
    assert found["purchases"].round(3).between(0.492, 0.500).all()
    assert_all(verdicts, "cbs_no_trend_", "supported", 2)
    assert_all(verdicts, "cbs_equal_purchase", "supported", 1)
    unknown = "cbs_(click_purchase_|fatigue_|cap_|no_response)"
    unseen = assert_all(verdicts, unknown, "not_identifiable", 13)
    assert set(unseen["reason"]) == {"Nothing handed in answers this."}


def test_the_page_of_two_studies_is_what_their_builds_give(
    study_run: Path, second_run: Path
) -> None:
    sections = []
    for folder in (study_run / "imported" / "study", second_run):
        settings = Settings.from_environment({"RAW_DATA": str(folder)}, study_run)
        with duckdb.connect(str(settings.build_file), read_only=True) as connection:
            wording = verdict_page.Wording.of(settings)
            sections.append(verdict_page.study(connection, wording))
    committed = (PROJECT / study_pages.PAGE).read_text(encoding="utf-8")
    # The third study's section is compared where it is built (test_cards).
    shown = study_pages.page(sections) + "\n## Card study\n"
    assert committed.startswith(shown), "run: make study-pages"


def test_a_bad_claim_leaves_the_published_files_as_they_were(study_run: Path) -> None:
    """The last test here: what is built of the study afterwards is broken."""

    def published() -> dict[Path, tuple[int, int]]:
        files = sorted((study_run / "published").rglob("*"))
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    before = published()
    claims = study_run / "imported" / "study" / "claims.csv"
    with claims.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    rows[0] |= {"claim_id": "broken_one", "segment": "Nobody"}
    with claims.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    dbt = str(Path(sys.executable).with_name("dbt"))
    read = ("received_claims", "base_claims", "stg_claims", "int_claims")
    built = run(study_run, dbt, "build", "--select", *read, RAW_DATA="imported/study")
    assert built.returncode == 1
    assert (
        "claims, row broken_one: segment Nobody is no segment of behavioural_study and no label."
        in built.stdout
    )
    for step in ("gate", "publish"):
        refused = run(
            study_run, sys.executable, "-m", f"pipeline.{step}", RAW_DATA="imported/study"
        )
        assert refused.returncode == 1, step
    assert refused.stderr.startswith("Nothing was published: the last run")
    assert published() == before
