"""The importer of the behavioural study, against the study's own file and against made-up ones.

Tests that need the study's file are skipped where it is not found; `SEGMART_SHARED_DATA` names
the folder to look in (by default `../shared/data` beside the project).
"""

from __future__ import annotations

import glob
import io
import itertools
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from subprocess import CompletedProcess

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

PROJECT = Path(__file__).resolve().parents[2]
SHARED_DATA = Path(os.environ.get("SEGMART_SHARED_DATA") or PROJECT.parent / "shared" / "data")
STUDY_FILE = SHARED_DATA / "seed_001" / "generated_bank_data.csv"

AS_OF = pd.Timestamp("2024-12-31")
BEFORE_WINDOW = AS_OF - pd.Timedelta(days=365)
CHANNELS = {"facebook": "fb", "instagram": "insta", "twitter": "tw"}
FLAGS = ["facebook_campaign", "twitter_campaign", "instagram_campaign", "email_campaign"]

Tables = dict[str, pd.DataFrame]

# One customer, as the study writes it; the made-up files change a cell here and there.
CUSTOMER: dict[str, str] = {
    "customer id": "1",
    "age": "30",
    "age group": "30-39",
    "gender": "0",
    "income/month": "7375.47",
    "account balance": "15087.96",
    "loyalty score": "161.7615806",
    "education level": "0",
    "products owned": "\"['Y', 'W']\"",
    "type of campaign(s)": "\"['Twitter', 'Email']\"",
    "duration of campaign(s) (days)": "15",
    "total ad spend": "411.8336525",
    "product type advertised": "C",
    "prev campaign success": "No",
    "product cost": "300",
    "has customer bought product": "0",
    "fb impressions": "145",
    "fb clicks": "6",
    "insta impressions": "83",
    "insta clicks": "4",
    "tw impressions": "103",
    "tw clicks": "0",
    "total clicks": "10",
    "total impressions": "331",
    "CTR": "0.03",
    "uses internet banking": "0",
    "has_loan": "0",
    "total_withdrawals": "840.1316038",
    "total_deposits": "861.1835902",
    "transaction_count": "3",
    "Facebook": "1",
    "Twitter": "0",
    "Instagram": "1",
    "Email": "1",
}
NOT_READ = {
    "type of campaign(s)",
    "product cost",
    "total clicks",
    "total impressions",
    "CTR",
}


main: Callable[[Sequence[str]], int] = runpy.run_path(
    str(PROJECT / "pipeline" / "import_source.py"), run_name="import_source"
)["main"]


def run_import(source: str, input_file: Path, out_folder: Path) -> CompletedProcess[str]:
    """Run the command in this process, which saves half a second each time."""
    arguments = [source, str(input_file), str(out_folder)]
    printed, complained = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(complained):
        code = main(arguments)
    return CompletedProcess(arguments, code, printed.getvalue(), complained.getvalue())


def run_command(source: str, input_file: Path, out_folder: Path) -> CompletedProcess[str]:
    """Run the command as a user types it, in the project's root."""
    command = [sys.executable, "-m", "pipeline.import_source", source, input_file, out_folder]
    return subprocess.run(
        [str(part) for part in command], cwd=PROJECT, capture_output=True, text=True, check=False
    )


def write_study(path: Path, customers: Sequence[Mapping[str, str]]) -> Path:
    """Write a file in the study's form, one line per mapping of the cells that differ."""
    lines = [",".join(CUSTOMER)]
    lines += [",".join({**CUSTOMER, **customer}.values()) for customer in customers]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_tables(folder: Path) -> Tables:
    """Read every Parquet file of an import."""
    with duckdb.connect() as connection:
        return {
            path.stem: connection.read_parquet(glob.escape(str(path))).df()
            for path in sorted(folder.glob("*.parquet"))
        }


def import_study(path: Path, customers: Sequence[Mapping[str, str]]) -> Tables:
    """Import a made-up file of `customers`, next to which the import is written."""
    done = run_import("behavioural_study", write_study(path / "study.csv", customers), path / "raw")
    assert done.returncode == 0, done.stderr
    return read_tables(path / "raw")


def cents(amounts: pd.Series) -> pd.Series:
    """Amounts, read as text, in whole cents."""
    return amounts.map(
        lambda text: int(Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_UP) * 100)
    )


def cents_per_customer(tables: Tables, transaction_type: str, customers: pd.Index) -> pd.Series:
    """The imported total of one type, in whole cents, zero without transactions."""
    transactions = tables["transactions"]
    chosen = transactions[transactions["transaction_type"] == transaction_type]
    in_cents = (chosen["amount"].astype(float) * 100).round().astype(int)
    totals = in_cents.groupby(chosen["customer_id"]).sum()
    return totals.reindex(customers, fill_value=0)


def assert_one_sentence(done: CompletedProcess[str], *parts: str) -> None:
    """The command ended with exit code 1 and one line that contains `parts`."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


@pytest.fixture(scope="session")
def study() -> pd.DataFrame:
    """The study's file, one row per customer, every cell as text; index: customer id."""
    if not STUDY_FILE.is_file():
        reason = f"the study's file is not there: {STUDY_FILE} (SEGMART_SHARED_DATA)"
        print(reason)
        pytest.skip(reason)
    return pd.read_csv(STUDY_FILE, dtype=str).set_index("customer id", drop=False)


@pytest.fixture(scope="session")
def imported_folder(study: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the import of the study's file."""
    folder = tmp_path_factory.mktemp("import") / "raw"
    done = run_command("behavioural_study", STUDY_FILE, folder)
    assert done.returncode == 0, done.stderr
    assert "customers: 20,000 rows" in done.stdout
    return folder


@pytest.fixture(scope="session")
def tables(imported_folder: Path) -> Tables:
    """The imported entities."""
    return read_tables(imported_folder)


def numbers(study: pd.DataFrame, column: str) -> pd.Series:
    """One column of the study as numbers."""
    return pd.to_numeric(study[column])


# --- the study's file ---------------------------------------------------------------------------


def test_customers_are_the_study_s(study: pd.DataFrame, tables: Tables) -> None:
    customers = tables["customers"].set_index("customer_id").loc[study.index]
    assert len(tables["customers"]) == len(study) == customers.index.nunique() == 20_000
    assert (2024 - customers["birth_year"] == numbers(study, "age")).all()
    assert (customers["gender"] == study["gender"]).all()
    assert (customers["education"] == study["education level"]).all()
    for column, original in [
        ("monthly_income", "income/month"),
        ("account_balance", "account balance"),
        ("loyalty_score", "loyalty score"),
    ]:
        imported = (customers[column].astype(float) * 100).round().astype(int)
        assert (imported == cents(study[original])).all(), column


@pytest.mark.parametrize(
    ("transaction_type", "column"),
    [("withdrawal", "total_withdrawals"), ("deposit", "total_deposits")],
)
def test_transaction_totals_are_kept_to_the_cent(
    study: pd.DataFrame, tables: Tables, transaction_type: str, column: str
) -> None:
    imported = cents_per_customer(tables, transaction_type, study.index)
    assert (imported == cents(study[column])).all()


def test_transaction_counts_are_kept_wherever_cents_allow(
    study: pd.DataFrame, tables: Tables
) -> None:
    imported = tables["transactions"].groupby("customer_id").size()
    imported = imported.reindex(study.index, fill_value=0)
    count = numbers(study, "transaction_count")
    most_possible = cents(study["total_withdrawals"]) + cents(study["total_deposits"])
    assert (imported == np.minimum(count, most_possible)).all()
    assert (imported != count).sum() == 2


def test_transaction_counts_are_divided_in_proportion_to_the_totals(
    study: pd.DataFrame, tables: Tables
) -> None:
    transactions = tables["transactions"]
    rows = (
        transactions.groupby(["customer_id", "transaction_type"])
        .size()
        .unstack(fill_value=0)
        .reindex(study.index, fill_value=0)
    )
    withdrawals, deposits = cents(study["total_withdrawals"]), cents(study["total_deposits"])
    assert ((rows["withdrawal"] > 0) == (withdrawals > 0)).all()
    assert ((rows["deposit"] > 0) == (deposits > 0)).all()
    count = rows.sum(axis=1)
    share = count * withdrawals / (withdrawals + deposits)
    off_by = (rows["withdrawal"] - share).abs()[(rows > 0).all(axis=1)]
    forced = (rows == 1).any(axis=1)[off_by.index]
    assert (off_by[~forced] <= 0.5).all()
    assert (off_by <= 1).all()


def test_amounts_of_one_total_differ_by_a_cent_at_most(tables: Tables) -> None:
    amounts = tables["transactions"].groupby(["customer_id", "transaction_type"])["amount"]
    spread = (amounts.max() - amounts.min()).astype(float)
    assert (spread.round(2) <= 0.01).all()


@pytest.mark.parametrize("channel", CHANNELS)
def test_impressions_and_clicks_are_the_study_s(
    study: pd.DataFrame, tables: Tables, channel: str
) -> None:
    engagements = tables["campaign_engagements"]
    per_customer = engagements[engagements["channel"] == channel].set_index("customer_id")
    assert per_customer.index.is_unique
    per_customer = per_customer.reindex(study.index)
    for measure in ["impressions", "clicks"]:
        original = numbers(study, f"{CHANNELS[channel]} {measure}")
        assert (per_customer[measure].fillna(0) == original).all()
    campaign = "campaign_" + study["product type advertised"].str.lower()
    assert (per_customer["campaign_id"].dropna() == campaign).all()


def test_flags_are_the_study_s(study: pd.DataFrame, tables: Tables) -> None:
    attributes = tables["customer_attributes"].pivot(
        index="customer_id", columns="attribute", values="value"
    )
    for flag in FLAGS:
        original = study[flag.removesuffix("_campaign").title()]
        assert (attributes.loc[study.index, flag] == original).all()
    bought = attributes.loc[study.index, "bought_advertised_product"]
    assert (bought == study["has customer bought product"]).all()


def test_holdings_are_the_study_s(study: pd.DataFrame, tables: Tables) -> None:
    holdings = tables["product_holdings"]
    held_before = holdings[holdings["opened_on"] <= BEFORE_WINDOW]
    for product, column in [
        ("housing_loan", "has_loan"),
        ("internet_banking", "uses internet banking"),
    ]:
        holders = set(held_before.loc[held_before["product"] == product, "customer_id"])
        assert holders == set(study.index[study[column] == "1"])
    for letter in "WXYZ":
        product = f"product_{letter.lower()}"
        holders = set(held_before.loc[held_before["product"] == product, "customer_id"])
        assert holders == set(study.index[study["products owned"].str.contains(letter)])
    bought = holdings[holdings["opened_on"] > BEFORE_WINDOW].set_index("customer_id")
    buyers = study[study["has customer bought product"] == "1"]
    assert sorted(bought.index) == sorted(buyers.index)
    advertised = "product_" + buyers["product type advertised"].str.lower()
    assert (bought.loc[buyers.index, "product"] == advertised).all()


def test_no_row_breaks_the_contract(tables: Tables) -> None:
    keys = {
        "customers": ["customer_id"],
        "campaigns": ["campaign_id"],
        "campaign_engagements": ["engagement_id"],
        "product_holdings": ["holding_id"],
        "transactions": ["transaction_id"],
        "customer_attributes": ["customer_id", "attribute"],
    }
    assert set(tables) == set(keys)
    for entity, key in keys.items():
        assert not tables[entity].duplicated(key).any(), entity
        assert (
            not tables[entity].drop(columns="closed_on", errors="ignore").isna().any(axis=None)
        ), entity
        if entity not in {"customers", "campaigns"}:
            assert tables[entity]["customer_id"].isin(tables["customers"]["customer_id"]).all()

    engagements = tables["campaign_engagements"].merge(tables["campaigns"], on="campaign_id")
    assert len(engagements) == len(tables["campaign_engagements"])
    assert engagements["clicks"].between(0, engagements["impressions"]).all()
    assert (
        engagements["occurred_on"].between(engagements["starts_on"], engagements["ends_on"]).all()
    )
    assert (tables["campaigns"]["ends_on"] >= tables["campaigns"]["starts_on"]).all()
    assert (tables["transactions"]["amount"] > 0).all()
    assert tables["transactions"]["is_constructed"].all()
    assert not engagements["is_holdout"].any()
    for entity, column in [
        ("customers", "joined_on"),
        ("product_holdings", "opened_on"),
        ("campaigns", "ends_on"),
    ]:
        assert (tables[entity][column] <= AS_OF).all()


def test_every_event_is_in_the_year_and_the_last_day_is_the_chosen_one(tables: Tables) -> None:
    days = pd.concat(
        [
            tables["transactions"]["transacted_at"].dt.normalize(),
            tables["campaign_engagements"]["occurred_on"],
        ]
    )
    assert ((days > BEFORE_WINDOW) & (days <= AS_OF)).all()
    per_day = days.value_counts()
    assert len(per_day) == 365
    assert per_day[per_day >= 0.01 * len(days) / len(per_day)].index.max() == AS_OF


def test_transactions_are_spread_evenly_over_the_year(tables: Tables) -> None:
    transactions = tables["transactions"]
    per_day = transactions["transacted_at"].dt.normalize().value_counts()
    assert per_day.min() > 0.85 * per_day.mean()
    assert per_day.max() < 1.15 * per_day.mean()


def test_column_types_are_the_contract_s(imported_folder: Path) -> None:
    expected = {
        "customers": {
            "customer_id": "VARCHAR",
            "joined_on": "DATE",
            "birth_year": "BIGINT",
            "gender": "VARCHAR",
            "education": "VARCHAR",
            "monthly_income": "DECIMAL(18,2)",
            "account_balance": "DECIMAL(18,2)",
            "loyalty_score": "DECIMAL(18,2)",
        },
        "campaigns": {
            "campaign_id": "VARCHAR",
            "campaign_name": "VARCHAR",
            "product": "VARCHAR",
            "starts_on": "DATE",
            "ends_on": "DATE",
        },
        "campaign_engagements": {
            "engagement_id": "VARCHAR",
            "campaign_id": "VARCHAR",
            "customer_id": "VARCHAR",
            "channel": "VARCHAR",
            "occurred_on": "DATE",
            "is_holdout": "BOOLEAN",
            "impressions": "BIGINT",
            "clicks": "BIGINT",
        },
        "product_holdings": {
            "holding_id": "VARCHAR",
            "customer_id": "VARCHAR",
            "product": "VARCHAR",
            "opened_on": "DATE",
            "closed_on": "DATE",
        },
        "transactions": {
            "transaction_id": "VARCHAR",
            "customer_id": "VARCHAR",
            "transacted_at": "TIMESTAMP",
            "transaction_type": "VARCHAR",
            "amount": "DECIMAL(18,2)",
            "is_constructed": "BOOLEAN",
        },
        "customer_attributes": {
            "customer_id": "VARCHAR",
            "attribute": "VARCHAR",
            "value": "VARCHAR",
        },
    }
    with duckdb.connect() as connection:
        found = {
            path.stem: {
                str(name): str(type_)
                for name, type_, *_ in connection.execute(
                    f"describe select * from read_parquet('{path}')"
                ).fetchall()
            }
            for path in imported_folder.glob("*.parquet")
        }
    assert found == expected


def test_the_same_file_gives_the_same_bytes(imported_folder: Path, tmp_path: Path) -> None:
    lines = STUDY_FILE.read_text(encoding="utf-8").splitlines()
    shuffled = tmp_path / "other order.csv"
    shuffled.write_text("\n".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    for number, path in enumerate([STUDY_FILE, shuffled]):
        again = tmp_path / str(number)
        assert run_import("behavioural_study", path, again).returncode == 0
        for name in sorted(os.listdir(imported_folder)):
            assert (again / name).read_bytes() == (imported_folder / name).read_bytes(), name


def customer_inputs(tables: Tables) -> pd.DataFrame:
    """The study's 14 clustering inputs, from imported tables alone; index: customer id."""
    customers = tables["customers"].set_index("customer_id")
    transactions = tables["transactions"].assign(amount=lambda frame: frame["amount"].astype(float))
    amounts = transactions.pivot_table(
        index="customer_id", columns="transaction_type", values="amount", aggfunc="sum"
    ).reindex(customers.index)
    attributes = tables["customer_attributes"].pivot(
        index="customer_id", columns="attribute", values="value"
    )
    holdings = tables["product_holdings"]
    borrowers = holdings.loc[holdings["product"] == "housing_loan", "customer_id"]
    return pd.DataFrame(
        {
            "age": 2024 - customers["birth_year"],
            "gender": customers["gender"].astype(int),
            "monthly_income": customers["monthly_income"].astype(float),
            "account_balance": customers["account_balance"].astype(float),
            "loyalty_score": customers["loyalty_score"].astype(float),
            "education": customers["education"].astype(int),
            "withdrawal_amount": amounts["withdrawal"].fillna(0),
            "deposit_amount": amounts["deposit"].fillna(0),
            "transaction_count": transactions.groupby("customer_id")
            .size()
            .reindex(customers.index, fill_value=0),
            **{flag: attributes[flag].astype(int) for flag in FLAGS},
            "has_housing_loan": customers.index.isin(borrowers).astype(int),
        }
    )


@pytest.mark.parametrize("random_seed", [0, 1, 2, 42])
def test_clusters_of_the_imported_tables_are_the_study_s(tables: Tables, random_seed: int) -> None:
    inputs = customer_inputs(tables)
    assert inputs.shape == (20_000, 14)
    scaled = StandardScaler().fit_transform(inputs)
    labels = KMeans(n_clusters=4, n_init=10, random_state=random_seed).fit(scaled).labels_

    engagements = tables["campaign_engagements"].groupby("customer_id")
    reach = engagements[["impressions", "clicks"]].sum().loc[inputs.index]
    holdings = tables["product_holdings"]
    bankers = holdings.loc[holdings["product"] == "internet_banking", "customer_id"]
    measured = (
        inputs.assign(
            cluster=labels,
            ctr=reach["clicks"] / reach["impressions"],
            impressions=reach["impressions"],
            clicks=reach["clicks"],
            has_internet_banking=inputs.index.isin(bankers),
        )
        .groupby("cluster")
        .agg(
            size=("age", "size"),
            mean_customer_ctr=("ctr", "mean"),
            impressions=("impressions", "sum"),
            clicks=("clicks", "sum"),
            housing_loan=("has_housing_loan", "mean"),
            internet_banking=("has_internet_banking", "mean"),
            median_withdrawal=("withdrawal_amount", "median"),
        )
    )
    measured["pooled_ctr"] = measured["clicks"] / measured["impressions"]
    published = pd.DataFrame(
        {
            "size": [6084, 5523, 2661, 5732],
            "mean_customer_ctr": [0.054, 0.112, 0.015, 0.112],
            "pooled_ctr": [0.057, 0.117, 0.017, 0.117],
            "housing_loan": [0.284, 0.150, 0.310, 0.155],
            "internet_banking": [0.242, 0.234, 0.246, 0.244],
            "median_withdrawal": [519, 761, 138, 757],
        }
    )
    print(measured.drop(columns=["impressions", "clicks"]).to_string())

    def agrees(order: Sequence[int]) -> bool:
        found = measured.loc[list(order)].reset_index(drop=True)
        close = [(found["size"] / published["size"] - 1).abs() <= 0.01]
        close += [
            (found[share] - published[share]).abs() <= 0.003
            for share in [
                "mean_customer_ctr",
                "pooled_ctr",
                "housing_loan",
                "internet_banking",
            ]
        ]
        medians = found["median_withdrawal"] / published["median_withdrawal"]
        close += [(medians - 1).abs() <= 0.02]
        return all(column.all() for column in close)

    assert any(agrees(order) for order in itertools.permutations(range(4)))


# --- made-up files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("withdrawals", "deposits", "count", "withdrawal_rows", "deposit_rows"),
    [
        ("0.0", "0.0", "0", [], []),
        ("0.0", "0.0", "4", [], []),
        ("", "", "", [], []),
        ("10.00", "0.0", "3", [3.34, 3.33, 3.33], []),
        ("0.0", "10.00", "3", [], [3.34, 3.33, 3.33]),
        ("10.00", "10.00", "2", [10.0], [10.0]),
        ("10.00", "10.00", "3", [5.0, 5.0], [10.0]),
        ("10.00", "10.00", "1", [10.0], [10.0]),
        ("10.00", "10.00", "0", [10.0], [10.0]),
        ("1000.00", "0.01", "3", [500.0, 500.0], [0.01]),
        ("0.01", "1000.00", "3", [0.01], [500.0, 500.0]),
        ("0.029862228", "0.0", "15", [0.01, 0.01, 0.01], []),
        ("0.02", "0.02", "15", [0.01, 0.01], [0.01, 0.01]),
        ("0.004", "5.00", "2", [], [2.5, 2.5]),
    ],
)
def test_totals_become_rows(
    tmp_path: Path,
    withdrawals: str,
    deposits: str,
    count: str,
    withdrawal_rows: list[float],
    deposit_rows: list[float],
) -> None:
    tables = import_study(
        tmp_path,
        [
            {
                "total_withdrawals": withdrawals,
                "total_deposits": deposits,
                "transaction_count": count,
            }
        ],
    )
    transactions = tables["transactions"].sort_values("transaction_id")
    for transaction_type, expected in [
        ("withdrawal", withdrawal_rows),
        ("deposit", deposit_rows),
    ]:
        chosen = transactions[transactions["transaction_type"] == transaction_type]
        amounts: list[float] = chosen["amount"].astype(float).to_list()
        assert amounts == expected


def test_rows_that_break_a_rule_are_handed_on(tmp_path: Path) -> None:
    tables = import_study(tmp_path, [{"fb impressions": "2", "fb clicks": "3"}])
    engagements = tables["campaign_engagements"].set_index("channel")
    assert engagements["impressions"]["facebook"] == 2
    assert engagements["clicks"]["facebook"] == 3


def test_a_channel_without_impressions_and_clicks_makes_no_row(tmp_path: Path) -> None:
    tables = import_study(tmp_path, [{"tw impressions": "0", "tw clicks": "0"}])
    assert tables["campaign_engagements"]["channel"].tolist() == ["facebook", "instagram"]


def test_buying_an_owned_product_makes_a_second_holding(tmp_path: Path) -> None:
    tables = import_study(
        tmp_path, [{"product type advertised": "W", "has customer bought product": "1"}]
    )
    holdings = tables["product_holdings"]
    assert holdings["product"].tolist().count("product_w") == 2
    assert holdings["holding_id"].is_unique


@pytest.mark.parametrize("name", ["study*.csv", "study[2].csv", "study'2.csv"])
def test_a_name_that_looks_like_a_pattern_is_just_a_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "o'clock"
    folder.mkdir()
    # What the name would match if it were a pattern.
    write_study(folder / "study2.csv", [{"customer id": "2"}])
    study = write_study(folder / name, [{}])
    assert run_import("behavioural_study", study, folder / "raw[2]").returncode == 0
    assert read_tables(folder / "raw[2]")["customers"]["customer_id"].tolist() == ["1"]


def test_an_earlier_import_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    import_study(tmp_path, [{}, {"customer id": "2"}])
    raw = tmp_path / "raw"
    (raw / "claims.csv").write_text("claim_id\n", encoding="utf-8")
    (raw / "parts").mkdir()
    (raw / "of_an_older_importer.parquet").touch()
    tables = import_study(tmp_path, [{}])
    assert len(tables["customers"]) == 1
    assert "of_an_older_importer" not in tables
    assert (raw / "claims.csv").read_text(encoding="utf-8") == "claim_id\n"
    assert (raw / "parts").is_dir()
    assert (raw / "source_name.txt").read_text(encoding="utf-8") == "behavioural_study\n"
    assert sorted(os.listdir(tmp_path)) == ["raw", "study.csv"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "raw").symlink_to("elsewhere")
    import_study(tmp_path, [{}])
    assert (tmp_path / "raw").is_symlink()
    assert (tmp_path / "elsewhere" / "customers.parquet").is_file()


# --- errors -------------------------------------------------------------------------------------


def test_an_unknown_source_lists_the_known_ones(tmp_path: Path) -> None:
    done = run_command("no_such_study", write_study(tmp_path / "study.csv", [{}]), tmp_path / "raw")
    assert_one_sentence(done, "no_such_study", "behavioural_study")


@pytest.mark.parametrize("source", ["../importers/behavioural_study", "", "behavioural_study.sql"])
def test_a_source_is_a_name_and_no_path(tmp_path: Path, source: str) -> None:
    done = run_import(source, write_study(tmp_path / "study.csv", [{}]), tmp_path / "raw")
    assert_one_sentence(done, "known sources: behavioural_study")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_missing_input_is_named(tmp_path: Path, name: str) -> None:
    done = run_import("behavioural_study", tmp_path / name, tmp_path / "raw")
    assert_one_sentence(done, str(tmp_path / name))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("column", [column for column in CUSTOMER if column not in NOT_READ])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    kept = {name: cell for name, cell in CUSTOMER.items() if name != column}
    study = tmp_path / "study.csv"
    study.write_text(",".join(kept) + "\n" + ",".join(kept.values()) + "\n", encoding="utf-8")
    done = run_import("behavioural_study", study, tmp_path / "raw")
    assert_one_sentence(done, "study.csv")
    assert f'no column "{column}"'.lower() in done.stderr.lower()
    assert os.listdir(tmp_path) == ["study.csv"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xff\xfe",
        b"PAR1\x00\x01\x02PAR1",
        "größe\n".encode("latin-1"),
        ";".join(CUSTOMER).encode() + b"\n",
        ",".join(CUSTOMER).encode() + b'\n1,"never closed\n',
        ",".join(CUSTOMER).encode() + b"\n1,30\n",
        b"The study of 2024\n" + ",".join(CUSTOMER).encode() + b"\n",
        ",".join(CUSTOMER).encode() + b"\n" + b"1," * 60 + b"\n",
    ],
    ids=[
        "empty",
        "blank lines",
        "picture",
        "parquet",
        "latin-1",
        "semicolons",
        "open quote",
        "short line",
        "title line",
        "long line",
    ],
)
def test_what_is_not_the_study_s_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    study = tmp_path / "study.csv"
    study.write_bytes(content)
    done = run_import("behavioural_study", study, tmp_path / "raw")
    assert_one_sentence(done, "study.csv", "behavioural_study")
    assert os.listdir(tmp_path) == ["study.csv"]


def test_a_file_cut_short_is_refused_with_its_line(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.csv", [{"customer id": str(n)} for n in range(30_000)])
    study.write_bytes(study.read_bytes()[:-40])
    assert_one_sentence(run_import("behavioural_study", study, tmp_path / "raw"), "line 30001")


def test_a_header_without_rows_is_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.csv", [])
    assert_one_sentence(run_import("behavioural_study", study, tmp_path / "raw"), "no rows")


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        ({"age": "thirty"}, "from source column age"),
        ({"total_withdrawals": "-1"}, "customer 1 has a negative total"),
        ({"transaction_count": "-1"}, "customer 1 has a negative total"),
        ({"has_loan": "perhaps"}, "perhaps"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(
    tmp_path: Path, cells: dict[str, str], part: str
) -> None:
    study = write_study(tmp_path / "study.csv", [cells])
    done = run_import("behavioural_study", study, tmp_path / "raw")
    assert_one_sentence(done, "study.csv", part)


def test_a_folder_that_is_no_import_is_left_alone(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.csv", [{}])
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "thesis.txt").write_text("mine", encoding="utf-8")
    done = run_import("behavioural_study", study, raw)
    assert_one_sentence(done, "not empty")
    assert os.listdir(raw) == ["thesis.txt"]
    assert_one_sentence(run_import("behavioural_study", study, raw / "thesis.txt"), "not a folder")
    assert_one_sentence(run_import("behavioural_study", study, raw / "thesis.txt" / "raw"))


def test_a_failed_import_leaves_the_earlier_one(tmp_path: Path) -> None:
    import_study(tmp_path, [{}])
    raw = tmp_path / "raw"
    before = {name: (raw / name).read_bytes() for name in os.listdir(raw)}
    study = write_study(tmp_path / "study.csv", [{"age": "thirty"}])
    assert run_import("behavioural_study", study, raw).returncode == 1
    assert {name: (raw / name).read_bytes() for name in os.listdir(raw)} == before
    assert sorted(os.listdir(tmp_path)) == ["raw", "study.csv"]
