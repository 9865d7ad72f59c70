"""Makes small, good RAW_DATA folders, for tests to break one file of."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

Rows = list[dict[str, str]]

FIRST_DAY = date(2025, 1, 1)
LAST_DAY = FIRST_DAY + timedelta(days=179)
CUSTOMER_COUNT = 200

# Types a bank's own Parquet would have; what is not listed is text.
PARQUET_TYPES = {
    "joined_on": "date",
    "birth_year": "bigint",
    "monthly_income": "decimal(18, 2)",
    "account_balance": "decimal(18, 2)",
    "loyalty_score": "decimal(18, 2)",
    "marketing_consent": "boolean",
    "transacted_at": "timestamp",
    "amount": "decimal(18, 2)",
}


def good_tables(customer_count: int = CUSTOMER_COUNT) -> dict[str, Rows]:
    """Every raw file as rows of text; the same rows on every call, with nothing wrong in them."""
    customers = range(1, customer_count + 1)
    campaigns = range(1, 3)
    return {
        "customers": [_customer(number) for number in customers],
        "product_holdings": [_holding(number) for number in customers],
        "card_accounts": [_card_account(number) for number in customers if number % 4 == 0],
        "campaigns": [_campaign(number) for number in campaigns],
        "campaign_engagements": [
            _engagement(campaign, number)
            for campaign in campaigns
            for number in customers
            if (number + campaign) % 2
        ],
        "transactions": [
            _transaction(number, turn) for number in customers for turn in range(1 + number % 4)
        ],
        "digital_sessions": [_session(number) for number in customers if number % 3],
        "customer_attributes": [
            {"customer_id": _id(number), "attribute": "branch", "value": f"branch {number % 5}"}
            for number in customers
        ],
    }


def write_good_folder(folder: Path, tables: Mapping[str, Rows] | None = None) -> None:
    """Write one CSV file for every table that has rows into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (good_tables() if tables is None else tables).items():
        if rows:
            write_csv(folder / f"{name}.csv", rows)


def csv_text(
    rows: Rows, columns: Sequence[str] | None = None, delimiter: str = ",", line_end: str = "\n"
) -> str:
    """Rows as the text of a CSV file, header first; `columns` chooses and orders them."""
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        columns or list(rows[0]),
        extrasaction="ignore",
        delimiter=delimiter,
        lineterminator=line_end,
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write_csv(
    path: Path, rows: Rows, columns: Sequence[str] | None = None, encoding: str = "utf-8"
) -> None:
    """Write a CSV file with comma, point, ISO dates and "\\n"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv_text(rows, columns).encode(encoding))


def write_parquet(
    path: Path, rows: Rows, types: Mapping[str, str] | None = None, extra: str = ""
) -> None:
    """Write rows of text as Parquet; `types` gives columns their SQL type, `extra` adds columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    types = PARQUET_TYPES if types is None else types
    columns = list(rows[0])
    casts = ", ".join(
        f'cast(nullif("{column}", \'\') as {types.get(column, "varchar")}) as "{column}"'
        for column in columns
    )
    with duckdb.connect() as connection:
        names = ", ".join(f'"{column}" varchar' for column in columns)
        connection.execute(f"create table rows_of_text ({names})")
        marks = ", ".join("?" for _ in columns)
        connection.executemany(
            f"insert into rows_of_text values ({marks})",
            [[row.get(column, "") for column in columns] for row in rows],
        )
        extra = f", {extra}" if extra else ""
        connection.execute(
            f"copy (select {casts}{extra} from rows_of_text) to '{path}' (format parquet)"
        )


def changed(rows: Rows, change: Callable[[int, dict[str, str]], Mapping[str, str]]) -> Rows:
    """Copies of the rows with what `change` (row number from 0, row) says differently."""
    return [{**row, **change(number, row)} for number, row in enumerate(rows)]


def data_lines(path: Path, encoding: str = "utf-8") -> int:
    """The lines of a file that are neither its header nor blank, whatever ends them."""
    text = path.read_bytes().decode(encoding, errors="replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return sum(bool(line.strip("\ufeff\x00")) for line in lines) - 1


def _id(number: int) -> str:
    return f"C{number:05d}"


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number % 180)


def _customer(number: int) -> dict[str, str]:
    return {
        "customer_id": _id(number),
        "joined_on": str(FIRST_DAY - timedelta(days=100 + 7 * number)),
        "birth_year": str(1940 + number % 60),
        "gender": ("female", "male")[number % 2],
        "marital_status": ("single", "married", "divorced")[number % 3],
        "education": ("primary", "secondary", "tertiary")[number % 3],
        "job": ("services", "technician", "retired", "student")[number % 4],
        "region": ("north", "south")[number % 2],
        "monthly_income": f"{900 + 37 * (number % 71)}.50",
        "account_balance": f"{211 * (number % 53) - 500}.25",
        "loyalty_score": f"{number % 100}.5",
        "marketing_consent": ("true", "false")[number % 2],
        "consent_changed_at": "2024-06-01 12:00:00",
        "updated_at": "2025-01-01 20:00:00",
        "is_deleted": "false",
    }


def _holding(number: int) -> dict[str, str]:
    return {
        "holding_id": f"H{number:05d}",
        "customer_id": _id(number),
        "product": ("savings", "credit_card", "housing_loan", "internet_banking")[number % 4],
        "opened_on": str(_day(number)),
        "closed_on": "",
    }


def _card_account(number: int) -> dict[str, str]:
    return {
        "cust_id": f"A{number:05d}",
        "balance": f"{number}.75",
        "balance_frequency": "1",
        "purchases": f"{2 * number}.00",
        "oneoff_purchases": f"{number}.00",
        "installments_purchases": f"{number}.00",
        "cash_advance": "0",
        "purchases_frequency": "0.5",
        "oneoff_purchases_frequency": "0.25",
        "purchases_installments_frequency": "0.25",
        "cash_advance_frequency": "0",
        "cash_advance_trx": "0",
        "purchases_trx": str(number),
        "credit_limit": "2000",
        "payments": f"{number}.25",
        "minimum_payments": "20",
        "prc_full_payment": "0.1",
        "tenure": "12",
        "customer_id": _id(number),
    }


def _campaign(number: int) -> dict[str, str]:
    return {
        "campaign_id": f"K{number:02d}",
        "campaign_name": f"Campaign {number}",
        "objective": "conversion",
        "product": "credit_card",
        "starts_on": str(_day(20 * number)),
        "ends_on": str(_day(20 * number + 30)),
        "budget_amount": "1000.00",
        "planned_holdout_share": "0.1",
    }


def _engagement(campaign: int, number: int) -> dict[str, str]:
    is_holdout = number % 10 == 0
    impressions = 0 if is_holdout else 1 + number % 5
    return {
        "engagement_id": f"E{campaign}{number:05d}",
        "campaign_id": f"K{campaign:02d}",
        "customer_id": _id(number),
        "channel": ("email", "facebook", "instagram")[number % 3],
        "occurred_on": str(_day(20 * campaign + number % 30)),
        "is_holdout": str(is_holdout).lower(),
        "impressions": str(impressions),
        "opens": "",
        "clicks": str(min(impressions, number % 2)),
        "conversions": "0",
        "revenue_amount": "",
        "cost_amount": "0.16",
    }


def _transaction(number: int, turn: int) -> dict[str, str]:
    moment = datetime.combine(_day(7 * number + 31 * turn), datetime.min.time())
    return {
        "transaction_id": f"T{number:05d}{turn}",
        "customer_id": _id(number),
        "transacted_at": str(moment + timedelta(minutes=17 * number % 1440)),
        "transaction_type": ("deposit", "withdrawal", "payment")[(number + turn) % 3],
        "amount": f"{10 + number % 40}.20",
        "category": "",
        "is_constructed": "",
    }


def _session(number: int) -> dict[str, str]:
    return {
        "customer_id": _id(number),
        "used_on": str(_day(number)),
        "touchpoint": ("mobile_app", "online_banking")[number % 2],
        "session_count": str(1 + number % 6),
        "minutes": f"{number % 30}.5",
    }
