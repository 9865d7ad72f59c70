"""The importer of the customer behaviour study, against the study's files and made-up ones.

Tests that need the study's files are skipped where they are not found; `SEGMART_SHARED_DATA` names
the folder to look in (by default `../shared/data` beside the project).
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from test_importer import (
    SHARED_DATA,
    Tables,
    assert_one_sentence,
    cents,
    read_tables,
    run_command,
    run_import,
)

SOURCE = "customer_behaviour_study"
STUDY_FILE = SHARED_DATA / "seed_000" / "main_dataset.csv"
LABELS_FILE = STUDY_FILE.with_name("df_k4.csv")

AS_OF = pd.Timestamp("2024-12-31")
LAST_EVENT = pd.Timestamp("2024-12-29")
CLUSTERS = [f"cluster {number}" for number in range(4)]
CAMPAIGNS = ["Facebook", "Twitter", "Email", "Instagram"]

# One customer, as the study writes it, and the columns of the labels file that are read; the
# made-up files change a cell here and there.
CUSTOMER: dict[str, str] = {
    "customer id": "1",
    "age": "67",
    "gender": "Male",
    "income/month": "12223",
    "account balance": "7018",
    "loyalty score": "721",
    "education level": "Secondary",
    "type of campaign(s)": "\"['Instagram', 'Twitter']\"",
    "prev campaign success": "No",
    "Transaction history": "\"[[-55, 'Withdrawal', 3929.99], [-21, 'Deposit', 1172.59]]\"",
    "housing": "yes",
    "loan": "no",
    "marital": "married",
    "job": "management",
    "has customer bought product": "No",
    "has customer churned": "No",
}
LABEL: dict[str, str] = {
    "age": "67",
    "income/month": "12223",
    "account balance": "7018",
    "loyalty score": "721",
    "Facebook": "0",
    "total_withdrawals": "3929.99",
    "total_deposits": "1172.59",
    "transaction_count": "2",
    "Cluster": "0",
    "PCA1": "-0.27",
}
LABEL_NOT_READ = {"Facebook", "PCA1"}

Rows = Sequence[Mapping[str, str]]


def write_rows(path: Path, row: Mapping[str, str], rows: Rows) -> Path:
    """Write a CSV of `rows`, one line per mapping of the cells that differ from `row`."""
    lines = [",".join(row)] + [",".join({**row, **changed}.values()) for changed in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_study(folder: Path, customers: Rows = ({},), labels: Rows = ({},)) -> Path:
    """Write both files in the study's form to `folder`; return the one to import."""
    write_rows(folder / "df_k4.csv", LABEL, labels)
    return write_rows(folder / "study.csv", CUSTOMER, customers)


def import_study(folder: Path, customers: Rows = ({},), labels: Rows = ({},)) -> Tables:
    """Import made-up files, next to which the import is written."""
    done = run_import(SOURCE, write_study(folder, customers, labels), folder / "raw")
    assert done.returncode == 0, done.stderr
    return read_tables(folder / "raw")


@pytest.fixture(scope="session")
def study() -> pd.DataFrame:
    """The study's file, one row per customer, every cell as text; index: customer id."""
    for path in [STUDY_FILE, LABELS_FILE]:
        if not path.is_file():
            reason = f"the study's file is not there: {path} (SEGMART_SHARED_DATA)"
            print(reason)
            pytest.skip(reason)
    table = pd.read_csv(STUDY_FILE, dtype=str, keep_default_na=False)
    return table.set_index("customer id", drop=False)


@pytest.fixture(scope="session")
def labels(study: pd.DataFrame) -> pd.DataFrame:
    """The study's labels file; index: customer id, by the order of the lines."""
    return pd.read_csv(LABELS_FILE).set_index(study.index)


@pytest.fixture(scope="session")
def listed(study: pd.DataFrame) -> pd.DataFrame:
    """The study's lists of transactions, one row per transaction, in the order of the file."""
    lists = study["Transaction history"].map(ast.literal_eval)
    return pd.DataFrame(
        [(customer, *parts) for customer, parts_list in lists.items() for parts in parts_list],
        columns=["customer_id", "days", "transaction_type", "amount"],
    )


@pytest.fixture(scope="session")
def imported_folder(study: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the import of the study's files."""
    folder = tmp_path_factory.mktemp("import") / "raw"
    done = run_command(SOURCE, STUDY_FILE, folder)
    assert done.returncode == 0, done.stderr
    assert "customers: 20,000 rows" in done.stdout
    return folder


@pytest.fixture(scope="session")
def tables(imported_folder: Path) -> Tables:
    """The imported entities."""
    return read_tables(imported_folder)


def segments(tables: Tables) -> pd.Series:
    """The imported cluster of each customer; index: customer id."""
    return tables["given_segments"].set_index("entity_id")["segment"]


# --- the study's files --------------------------------------------------------------------------


def test_customers_are_the_study_s(study: pd.DataFrame, tables: Tables) -> None:
    customers = tables["customers"].set_index("customer_id").loc[study.index]
    assert len(tables["customers"]) == len(study) == customers.index.nunique() == 20_000
    assert (2024 - customers["birth_year"] == study["age"].astype(int)).all()
    for column, original in [
        ("gender", "gender"),
        ("marital_status", "marital"),
        ("education", "education level"),
        ("job", "job"),
    ]:
        assert (customers[column] == study[original]).all(), column
    for column, original in [
        ("monthly_income", "income/month"),
        ("account_balance", "account balance"),
        ("loyalty_score", "loyalty score"),
    ]:
        imported = (customers[column].astype(float) * 100).round().astype(int)
        assert (imported == cents(study[original])).all(), column


def test_transactions_are_the_study_s_to_the_cent(listed: pd.DataFrame, tables: Tables) -> None:
    transactions = tables["transactions"]
    position = listed.groupby("customer_id").cumcount() + 1
    expected = listed.set_index(listed["customer_id"] + "-" + position.astype(str))
    imported = transactions.set_index("transaction_id").loc[expected.index]
    assert len(transactions) == len(expected) == 60_249
    assert (imported["customer_id"] == expected["customer_id"]).all()
    assert (imported["transaction_type"] == expected["transaction_type"].str.lower()).all()
    assert (
        (imported["amount"].astype(float) * 100).round() == (expected["amount"] * 100).round()
    ).all()
    days = (imported["transacted_at"].dt.normalize() - AS_OF).dt.days
    assert (days == expected["days"]).all()
    assert not transactions["is_constructed"].any()


def test_all_transactions_are_in_the_trailing_year(tables: Tables) -> None:
    days = tables["transactions"]["transacted_at"].dt.normalize()
    assert days.min() == AS_OF - pd.Timedelta(days=60)
    assert days.max() == LAST_EVENT
    per_day = days.value_counts()
    assert per_day.min() > 0.85 * per_day.mean()
    assert per_day.max() < 1.15 * per_day.mean()


@pytest.mark.parametrize("as_of", [AS_OF, LAST_EVENT])
def test_holdings_are_the_study_s(study: pd.DataFrame, tables: Tables, as_of: pd.Timestamp) -> None:
    holdings = tables["product_holdings"]
    assert (holdings["opened_on"] <= as_of).all()
    assert holdings["closed_on"].isna().all()
    in_window = holdings["opened_on"] > as_of - pd.Timedelta(days=365)
    for product, column, is_bought in [
        ("housing_loan", "housing", False),
        ("personal_loan", "loan", False),
        ("advertised_product", "has customer bought product", True),
    ]:
        chosen = holdings[holdings["product"] == product]
        assert (in_window[chosen.index] == is_bought).all()
        assert chosen["customer_id"].is_unique
        assert set(chosen["customer_id"]) == set(study.index[study[column].str.lower() == "yes"])
    assert holdings["product"].nunique() == 3


def test_attributes_are_the_study_s(
    study: pd.DataFrame, labels: pd.DataFrame, tables: Tables
) -> None:
    attributes = tables["customer_attributes"].pivot(
        index="customer_id", columns="attribute", values="value"
    )
    attributes = attributes.loc[study.index]
    for campaign in CAMPAIGNS:
        flag = attributes[f"{campaign.lower()}_campaign"]
        assert (flag == study["type of campaign(s)"].str.contains(campaign).map(int).map(str)).all()
        assert (flag == labels[campaign].map(str)).all()
    for attribute, column in [
        ("has_churned", "has customer churned"),
        ("bought_advertised_product", "has customer bought product"),
    ]:
        assert (attributes[attribute] == (study[column] == "Yes").map(int).map(str)).all()
    success = attributes["previous_campaign_success"]
    assert (success == study["prev campaign success"].str.lower()).all()
    assert attributes.shape == (20_000, 7)


def test_segments_are_the_labels(labels: pd.DataFrame, tables: Tables) -> None:
    given = tables["given_segments"]
    assert (given["segmentation"] == SOURCE).all()
    assert given["entity_id"].is_unique
    assert (segments(tables).loc[labels.index] == "cluster " + labels["Cluster"].map(str)).all()


def test_no_two_customers_agree_in_what_is_compared(labels: pd.DataFrame) -> None:
    compared = ["age", "income/month", "account balance", "loyalty score"]
    compared += ["total_withdrawals", "total_deposits", "transaction_count"]
    assert not labels.duplicated(compared).any()


@pytest.mark.parametrize(
    ("transaction_type", "published"),
    [("withdrawal", [3.23, 0.78, 1.49, 0.88]), ("deposit", [1.63, 0.73, 3.25, 0.83])],
)
def test_transactions_per_customer_are_the_published_ones(
    tables: Tables, transaction_type: str, published: list[float]
) -> None:
    cluster = segments(tables)
    transactions = tables["transactions"]
    chosen = transactions[transactions["transaction_type"] == transaction_type]
    per_cluster = chosen["customer_id"].map(cluster).value_counts() / cluster.value_counts()
    assert per_cluster.loc[CLUSTERS].round(2).tolist() == published


def test_half_of_every_cluster_bought(tables: Tables) -> None:
    holdings = tables["product_holdings"]
    buyers = holdings.loc[holdings["product"] == "advertised_product", "customer_id"]
    cluster = segments(tables)
    share = (buyers.map(cluster).value_counts() / cluster.value_counts()).round(3)
    assert sorted(share.index) == CLUSTERS
    assert share.between(0.492, 0.500).all()


def test_the_clustering_used_every_column_of_the_labels_file(labels: pd.DataFrame) -> None:
    """Why the segmentation declares them all as inputs: the file's own components and clusters."""
    inputs = labels.drop(columns=["Cluster", "PCA1", "PCA2"]).astype(float)
    scaled = ((inputs - inputs.mean()) / inputs.std(ddof=0)).to_numpy()
    components = np.linalg.svd(scaled, full_matrices=False)[2][:2]
    assert (np.abs(components) > 1e-4).all()
    projected = np.abs(scaled @ components.T)
    assert np.allclose(projected, labels[["PCA1", "PCA2"]].abs(), atol=1e-9)
    centres = np.vstack([scaled[labels["Cluster"] == number].mean(axis=0) for number in range(4)])
    distances = ((scaled[:, None, :] - centres) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == labels["Cluster"]).mean() > 0.999


def test_no_row_breaks_the_contract(tables: Tables) -> None:
    keys = {
        "customers": ["customer_id"],
        "product_holdings": ["holding_id"],
        "transactions": ["transaction_id"],
        "customer_attributes": ["customer_id", "attribute"],
        "given_segments": ["segmentation", "entity_id"],
    }
    assert set(tables) == set(keys)
    for entity, key in keys.items():
        table = tables[entity].drop(columns="closed_on", errors="ignore")
        assert not table.duplicated(key).any(), entity
        assert not table.isna().any(axis=None), entity
        owner = "entity_id" if entity == "given_segments" else "customer_id"
        assert table[owner].isin(tables["customers"]["customer_id"]).all()
    assert (tables["transactions"]["amount"] > 0).all()
    window_starts_after = LAST_EVENT - pd.Timedelta(days=365)
    assert (tables["customers"]["joined_on"] <= window_starts_after).all()


def test_column_types_are_the_contract_s(imported_folder: Path) -> None:
    expected = {
        "customers": {
            "customer_id": "VARCHAR",
            "joined_on": "DATE",
            "birth_year": "BIGINT",
            "gender": "VARCHAR",
            "marital_status": "VARCHAR",
            "education": "VARCHAR",
            "job": "VARCHAR",
            "monthly_income": "DECIMAL(18,2)",
            "account_balance": "DECIMAL(18,2)",
            "loyalty_score": "DECIMAL(18,2)",
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
        "given_segments": {
            "segmentation": "VARCHAR",
            "entity_id": "VARCHAR",
            "segment": "VARCHAR",
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


def test_the_same_files_give_the_same_bytes(imported_folder: Path, tmp_path: Path) -> None:
    turned = tmp_path / "other order"
    turned.mkdir()
    for path in [STUDY_FILE, LABELS_FILE]:
        lines = path.read_text(encoding="utf-8").splitlines()
        turned_text = "\n".join([lines[0], *reversed(lines[1:])])
        (turned / path.name).write_text(turned_text, encoding="utf-8")
    for number, path in enumerate([STUDY_FILE, turned / STUDY_FILE.name]):
        again = tmp_path / str(number)
        assert run_import(SOURCE, path, again).returncode == 0
        for name in sorted(os.listdir(imported_folder)):
            assert (again / name).read_bytes() == (imported_folder / name).read_bytes(), name


def test_labels_in_another_order_are_refused(study: pd.DataFrame, tmp_path: Path) -> None:
    header, *lines = LABELS_FILE.read_text(encoding="utf-8").splitlines()
    (tmp_path / "study.csv").symlink_to(STUDY_FILE)
    swapped = [*lines[:99], lines[100], lines[99], *lines[101:]]
    (tmp_path / "df_k4.csv").write_text("\n".join([header, *swapped]), encoding="utf-8")
    done = run_import(SOURCE, tmp_path / "study.csv", tmp_path / "raw")
    assert_one_sentence(done, "other customers or another order", "row 100 below the header")


# --- made-up files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "withdrawals", "count", "rows"),
    [
        ("[]", "0.0", "0", []),
        ("", "0", "0", []),
        ("[[-3, 'Withdrawal', 5]]", "5.0", "1", [("2024-12-28 12:00:00", 5.0)]),
        ("[[0, 'Withdrawal', 0.004]]", "0.004", "1", [("2024-12-31 12:00:00", 0.0)]),
        ("[[2, 'Withdrawal', -1.5]]", "-1.5", "1", [("2025-01-02 12:00:00", -1.5)]),
        (
            "[[-3, 'Withdrawal', 0.1], [-3, 'Withdrawal', 0.1]]",
            "0.2",
            "2",
            [("2024-12-28 12:00:00", 0.1)] * 2,
        ),
        ("[[-3, 'ATM fee', 0.125]]", "0", "1", [("2024-12-28 12:00:00", 0.13)]),
    ],
)
def test_lists_become_rows(
    tmp_path: Path, history: str, withdrawals: str, count: str, rows: list[tuple[str, float]]
) -> None:
    label = {
        "total_withdrawals": withdrawals,
        "total_deposits": "0.0",
        "transaction_count": count,
    }
    quoted = f'"{history}"' if history else ""
    tables = import_study(tmp_path, [{"Transaction history": quoted}], [label])
    transactions = tables["transactions"]
    found = zip(
        transactions["transacted_at"].astype(str), transactions["amount"].astype(float), strict=True
    )
    assert list(found) == rows
    assert transactions["transaction_id"].tolist() == [f"1-{n + 1}" for n in range(len(rows))]
    assert transactions["transaction_type"].isin(["withdrawal", "atm fee"]).all()


def test_every_type_of_campaign_in_the_file_is_a_flag(tmp_path: Path) -> None:
    tables = import_study(
        tmp_path,
        [{"type of campaign(s)": "['Radio']"}, {"customer id": "2", "type of campaign(s)": "[]"}],
        [{}, {}],
    )
    attributes = tables["customer_attributes"].pivot(
        index="customer_id", columns="attribute", values="value"
    )
    assert attributes["radio_campaign"].to_dict() == {"1": "1", "2": "0"}


def test_an_empty_cell_makes_no_attribute(tmp_path: Path) -> None:
    attributes = import_study(tmp_path, [{"has customer churned": ""}])["customer_attributes"]
    assert "has_churned" not in attributes["attribute"].tolist()


def test_a_folder_that_looks_like_a_pattern_is_just_a_folder(tmp_path: Path) -> None:
    other, folder = tmp_path / "a", tmp_path / "[a]"
    other.mkdir()
    folder.mkdir()
    write_study(other, labels=[{"Cluster": "3"}])
    assert import_study(folder)["given_segments"]["segment"].tolist() == ["cluster 0"]


# --- errors -------------------------------------------------------------------------------------


def test_missing_labels_are_named(tmp_path: Path) -> None:
    study = write_rows(tmp_path / "study.csv", CUSTOMER, [{}])
    done = run_command(SOURCE, study, tmp_path / "raw")
    assert_one_sentence(done, "study.csv", "the labels file df_k4.csv must lie in the same folder")
    assert os.listdir(tmp_path) == ["study.csv"]


@pytest.mark.parametrize("column", CUSTOMER)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    write_study(tmp_path)
    kept = {name: cell for name, cell in CUSTOMER.items() if name != column}
    study = write_rows(tmp_path / "study.csv", kept, [{}])
    done = run_import(SOURCE, study, tmp_path / "raw")
    assert_one_sentence(done, "study.csv", f'no column "{column}"')


@pytest.mark.parametrize("column", [name for name in LABEL if name not in LABEL_NOT_READ])
def test_a_missing_column_of_the_labels_is_named(tmp_path: Path, column: str) -> None:
    study = write_study(tmp_path)
    kept = {name: cell for name, cell in LABEL.items() if name != column}
    write_rows(tmp_path / "df_k4.csv", kept, [{}])
    done = run_import(SOURCE, study, tmp_path / "raw")
    assert_one_sentence(done, f'the labels file df_k4.csv beside it has no column "{column}"')
    assert sorted(os.listdir(tmp_path)) == ["df_k4.csv", "study.csv"]


@pytest.mark.parametrize("column", [name for name in LABEL if name not in LABEL_NOT_READ])
@pytest.mark.parametrize("cell", ["", "1.5e", "8"])
def test_labels_of_somebody_else_are_refused(tmp_path: Path, column: str, cell: str) -> None:
    customers = [{}, {"customer id": "2"}]
    study = write_study(tmp_path, customers, [{}, {column: cell}])
    done = run_import(SOURCE, study, tmp_path / "raw")
    if column == "Cluster" and cell == "8":
        assert done.returncode == 0
        assert segments(read_tables(tmp_path / "raw"))["2"] == "cluster 8"
    else:
        assert_one_sentence(done, "df_k4.csv", "row 2 below the header")


@pytest.mark.parametrize(("customers", "labels"), [(1, 2), (2, 1), (1, 0), (0, 1)])
def test_another_number_of_labels_is_refused(tmp_path: Path, customers: int, labels: int) -> None:
    study = write_study(tmp_path, [{}] * customers, [{}] * labels)
    done = run_import(SOURCE, study, tmp_path / "raw")
    assert_one_sentence(done, f"df_k4.csv beside it has {labels} rows, and it has {customers}")


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xff\xfe", b'a,b\n1,"never closed\n', b"a,b\n1\n"],
    ids=["picture", "open quote", "short line"],
)
@pytest.mark.parametrize("name", ["study.csv", "df_k4.csv"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    study = write_study(tmp_path)
    (tmp_path / name).write_bytes(content)
    done = run_import(SOURCE, study, tmp_path / "raw")
    assert_one_sentence(done, name)
    assert sorted(os.listdir(tmp_path)) == ["df_k4.csv", "study.csv"]


def test_empty_labels_are_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    (tmp_path / "df_k4.csv").write_bytes(b"")
    assert_one_sentence(run_import(SOURCE, study, tmp_path / "raw"), "df_k4.csv")


def test_headers_without_rows_are_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path, [], [])
    assert_one_sentence(run_import(SOURCE, study, tmp_path / "raw"), "no rows")


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        ({"age": "thirty"}, "from source column age"),
        ({"housing": "perhaps"}, "perhaps"),
        ({"Transaction history": "none"}, "customer 1 has a transaction history"),
        ({"Transaction history": "\"[[-5, 'Deposit']]\""}, "customer 1 has a transaction history"),
        ({"Transaction history": "\"[[-5, 'Deposit', 1], ]\""}, "customer 1 has a transaction"),
        ({"Transaction history": "\"[[-5.5, 'Deposit', 1]]\""}, "customer 1 has a transaction"),
        ({"type of campaign(s)": "Facebook"}, "customer 1 has campaign types"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(
    tmp_path: Path, cells: dict[str, str], part: str
) -> None:
    done = run_import(SOURCE, write_study(tmp_path, [cells]), tmp_path / "raw")
    assert_one_sentence(done, "study.csv", part)
