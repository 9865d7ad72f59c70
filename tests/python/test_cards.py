"""Card accounts are a segmentation like any other: on the public set, and where a bank has none.

Tests that need the public set are skipped where it is not found; `SEGMART_SHARED_DATA` names the
folder to look in (by default `../shared/data` beside the project).
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, Build, copy_project, run_dbt
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    adjusted_rand_score,
    silhouette_score,
)
from test_importer import SHARED_DATA, run_command
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline import study_pages, verdict_page
from pipeline.settings import Settings

PUBLIC_SET = SHARED_DATA / "card_accounts" / "cc_general.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build of the public set."""
    if not PUBLIC_SET.is_file():
        pytest.skip(f"the public set is not there: {PUBLIC_SET} (SEGMART_SHARED_DATA)")
    folder = tmp_path_factory.mktemp("cards")
    done = run_command("card_study", PUBLIC_SET, folder / "raw")
    assert done.returncode == 0, done.stderr
    copy_project(folder / "project")
    run_dbt(folder / "project", "build", RAW_DATA=str(folder / "raw"))
    (path,) = (folder / "project" / "build" / "dev").glob("*/warehouse.duckdb")
    return path


def ask(path: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql(sql).df()


def test_every_account_is_accepted_and_stands_in_one_segment(published: Path) -> None:
    raw = pd.read_csv(PUBLIC_SET)
    raw.columns = raw.columns.str.lower()
    assert raw["minimum_payments"].isna().sum() > 300
    accounts = ask(published, "from staging.stg_card_accounts").set_index("cust_id")
    for column in raw.columns.drop("cust_id"):
        expected = raw.set_index("cust_id")[column].reindex(accounts.index)
        found = accounts[column].astype(float)
        assert np.allclose(found, expected, atol=5e-7, rtol=1e-12, equal_nan=True), column
    members = ask(published, "from customers.segment_members")
    assert sorted(members["entity_id"]) == sorted(raw["cust_id"])
    assert set(members["grain"]) == {"card_account"}


def test_the_groups_are_distinct_and_come_again_in_halves(published: Path) -> None:
    """Silhouette and agreement of two halves' fits, as others found them on this set."""
    inputs = ask(published, "from segments.segmentation_inputs").set_index("entity_id")
    values = inputs[[f"value_{number:02d}" for number in range(1, 18)]]
    values = values.fillna(values.median())
    standardised = (values - values.mean()) / values.std(ddof=0)
    labels = ask(published, "select entity_id, segment_id from customers.segment_members")
    own = labels.set_index("entity_id")["segment_id"].reindex(standardised.index)
    assert silhouette_score(standardised, own) >= 0.22

    random = np.random.default_rng(1)
    agreements = []
    for _ in range(10):
        half = random.permutation(len(standardised)) % 2
        with threadpool_limits(1):
            fits = [
                KMeans(6, n_init=10, random_state=1).fit(standardised[half == side])
                for side in (0, 1)
            ]
        agreements.append(adjusted_rand_score(*(fit.predict(standardised) for fit in fits)))
    assert np.mean(agreements) >= 0.93

    certificate = ask(published, "from evidence.segmentation_noise_check").iloc[0]
    assert not certificate["no_structure_found"]


def test_the_studys_three_groups_are_found_by_their_directions(published: Path) -> None:
    segments = ask(published, "from marts.segments").set_index("segment_name")
    assert len(segments) == 6
    assert set(segments["persona"].dropna()) == {"VIP", "High Risk", "Low Activity"}
    profiles = ask(published, "from marts.segment_profiles")
    means = profiles.pivot(
        index="segment_name", columns="feature", values="standardised_difference"
    )
    assert means["credit_limit"].idxmax() == "VIP"
    assert means.loc["VIP", "prc_full_payment"] > 0.2
    assert means.loc["High Risk", "cash_advance"] > 0.5
    assert means.loc["High Risk", "prc_full_payment"] < -0.2
    assert means["balance"].idxmin() == "Low Activity"
    assert means.loc["Low Activity", "purchases"] < 0
    # The others are named by what sets them apart.
    others = segments[segments["persona"].isna()]
    assert len(others) == 3
    assert others.index.str.contains("High|Low|average").all()


def test_risk_figures_are_those_of_the_accounts(published: Path) -> None:
    """Ratios of sums over the accounts that have both, and their errors by the delta method."""
    members = ask(
        published, "select entity_id as cust_id, segment_id from customers.segment_members"
    )
    raw = pd.read_csv(PUBLIC_SET)
    raw.columns = raw.columns.str.lower()
    accounts = raw.merge(members, on="cust_id", validate="one_to_one")
    found = ask(published, "from marts.card_segment_risk").set_index("segment_id")
    assert found["account_count"].sum() == len(raw)
    assert not found["is_small_cell"].any()
    for segment, own in accounts.groupby("segment_id"):
        row = found.loc[segment]
        assert row["full_payment_share"] == pytest.approx(own["prc_full_payment"].mean(), rel=1e-9)
        error = own["prc_full_payment"].sem()
        width = row["full_payment_share_high"] - row["full_payment_share_low"]
        assert width == pytest.approx(2 * 1.96 * error, rel=0.05)
        for name, (y, x) in {
            "cash_advance_to_limit": ("cash_advance", "credit_limit"),
            "utilisation": ("balance", "credit_limit"),
            "minimum_payment_coverage": ("payments", "minimum_payments"),
        }.items():
            known = own[own[x].notna()]
            ratio = known[y].sum() / known[x].sum()
            assert row[name] == pytest.approx(ratio, rel=1e-9)
            assert row[f"{name}_count"] == len(known)
            error = (known[y] - ratio * known[x]).std() / known[x].mean() / np.sqrt(len(known))
            width = row[f"{name}_high"] - row[f"{name}_low"]
            assert width == pytest.approx(2 * 1.96 * error, rel=0.25)
    assert found["full_payment_share"].idxmax() != found["cash_advance_to_limit"].idxmax()


def test_the_studys_sentences_come_out_as_its_accounts_say(published: Path) -> None:
    verdicts = ask(published, "from evidence.claim_verdicts").set_index("claim_id")
    assert set(verdicts["segmentation"]) == {"cards"}
    unknown = verdicts.loc[["cs_vip_low_default", "cs_low_activity_checking"]]
    assert set(unknown["verdict"]) == {"not_identifiable"}
    assert set(unknown["reason"]) == {"Nothing handed in answers this."}
    # All others are about what the groups were formed from: they find nothing, right or not.
    built_in = verdicts.drop(index=unknown.index)
    assert len(built_in) == 8
    assert set(built_in["verdict"]) == {"circular"}
    right = built_in["figure_reproduces"]
    assert right[right.eq(False)].index.tolist() == ["cs_high_risk_balance_near_loan"]

    members = ask(published, "from customers.customer_segments")
    assert members.empty
    own = ask(published, "select entity_id as cust_id, segment_id from customers.segment_members")
    segments = ask(published, "from marts.segments").set_index("segment_name")["segment_id"]
    raw = pd.read_csv(PUBLIC_SET)
    raw.columns = raw.columns.str.lower()
    accounts = raw.merge(own, on="cust_id")
    accounts = accounts[accounts["credit_limit"].notna()]
    is_risky = accounts["segment_id"] == segments["High Risk"]
    sums = accounts.groupby(is_risky)[["balance", "credit_limit"]].sum()
    utilisation = sums["balance"] / sums["credit_limit"]
    near = verdicts.loc["cs_high_risk_balance_near_loan"]
    assert near["figure_found"] == pytest.approx(utilisation[True], rel=1e-9)
    assert near["customer_count"] == is_risky.sum()
    assert near["estimate_high"] < 0.9
    nearer = verdicts.loc["cs_high_risk_balance_nearer_than_rest"]
    assert nearer["estimate"] == pytest.approx(utilisation[True] - utilisation[False], rel=1e-9)


def test_the_studys_recommendations_rest_on_its_sentences(published: Path) -> None:
    strategies = ask(published, "from evidence.recommendations").set_index("segment_name")
    assert set(strategies.index) == {"VIP", "High Risk", "Low Activity"}
    assert set(strategies["status"]) == {"test_first"}
    assert strategies["baseline"].notna().all()
    assert strategies.loc["High Risk", "target"] < strategies.loc["High Risk", "baseline"]


def test_no_figure_of_customers_is_one_of_accounts(published: Path) -> None:
    """The set's accounts have customers of the same ids, whom no mart may take for them."""
    differences = ask(published, "select distinct mart from evidence.segment_differences")
    assert set(differences["mart"]) == {"card_segment_risk", "segment_profiles"}
    for mart in ("segment_engagement", "segment_ownership", "segment_transactions"):
        assert ask(published, f"from marts.{mart}").empty, mart
    assert ask(published, "from marts.segment_overlaps").empty


def test_the_page_of_the_study_is_what_its_build_gives(published: Path) -> None:
    wording = verdict_page.Wording.of(Settings.from_environment({}, PROJECT))
    with duckdb.connect(str(published), read_only=True) as connection:
        section = verdict_page.study(connection, wording)
    assert section.startswith("## Card study\n\n8,950 card accounts, 10 sentences.")
    assert "customers" not in section
    committed = (PROJECT / study_pages.PAGE).read_text(encoding="utf-8")
    assert committed.endswith("\n" + section), "run: make study-pages"


def test_card_segments_meet_customer_segments(demo_build: Build) -> None:
    """Counts of a plain cross table; the error of lift is that of accounts drawn again."""
    accounts = ask(
        demo_build.path,
        """
        select cards.segment_id, customers.segment_id as customer_segment_id
        from staging.stg_card_accounts as accounts
        join customers.segment_members as cards
            on accounts.cust_id = cards.entity_id and cards.segmentation = 'cards'
        join customers.segment_members as customers
            on accounts.customer_id = customers.entity_id and customers.segmentation = 'behaviour'
        """,
    )
    keys = ["segment_id", "customer_segment_id"]
    found = ask(demo_build.path, "from marts.segment_overlaps").set_index(keys).sort_index()
    table = pd.crosstab(accounts["segment_id"], accounts["customer_segment_id"])
    assert found["shared_entity_count"].unstack().to_numpy().tolist() == table.to_numpy().tolist()
    assert found["placed_entity_count"].unstack()[1].tolist() == table.sum(axis=1).tolist()
    expected = np.outer(table.sum(axis=1), table.sum()) / table.to_numpy().sum()
    assert found["lift"].unstack().to_numpy() == pytest.approx(table.to_numpy() / expected)

    random = np.random.default_rng(4)
    n = table.to_numpy().sum()
    drawn = random.multinomial(n, table.to_numpy().ravel() / n, 4000).reshape(-1, *table.shape)
    both = drawn.sum(axis=2, keepdims=True) * drawn.sum(axis=1, keepdims=True) / n
    with np.errstate(divide="ignore"):
        error = np.log(drawn / both).std(axis=0)
    large = table.to_numpy() >= 50
    assert large.sum() > 10
    widths = np.log(found["lift_high"] / found["lift_low"]).unstack().to_numpy() / (2 * 1.96)
    assert widths[large] == pytest.approx(error[large], rel=0.1)
