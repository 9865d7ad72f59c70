"""Whether the scripts' marts say what the project's build says, before any time counts.

Every column that a script writes is compared with the project's column of that name, in every row:
keys exactly, numbers to 1e-6. Scripts that agree with the project agree
with each other. Their marts are made under the project's centres (`export_centres`), and their own
fits must put 999 of 1,000 customers where the project has them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from scipy.optimize import linear_sum_assignment

SEGMENTATION = "behaviour"
TOLERANCE = 1e-6
LEAST_AGREEMENT = 0.999
ENTITIES = (
    "customers",
    "product_holdings",
    "campaigns",
    "campaign_engagements",
    "transactions",
    "digital_sessions",
)
# What no segmentation's segments are told apart by.
OWN_COLUMNS = {"own_segment"}


@dataclass(frozen=True)
class Mart:
    """A mart of the project as a query over its build file, and the key of its rows."""

    query: str
    keys: tuple[str, ...]


MARTS = {
    "cleaning": Mart(
        " union all ".join(
            f"select '{entity}' as entity, count(*) as received_count,"
            " count(*) filter (row_status = 'accepted') as accepted_count"
            f" from staging.base_{entity}"
            for entity in ENTITIES
        ),
        ("entity",),
    ),
    "customer_features": Mart("from intermediate.int_customer_features", ("customer_id",)),
    "segment_members": Mart(
        "select *, entity_id as customer_id from customers.segment_members"
        f" where segmentation = '{SEGMENTATION}'",
        ("customer_id",),
    ),
} | {
    mart: Mart(
        f"from marts.{mart} where segmentation = '{SEGMENTATION}'",
        ("segment_id", *keys),
    )
    for mart, keys in {
        "segments": (),
        "segment_profiles": ("feature",),
        "segment_engagement": (),
        "segment_channel_engagement": ("channel",),
        "segment_ownership": (),
        "segment_product_ownership": ("product",),
        "segment_transactions": ("transaction_type",),
        "segment_month_transactions": ("transaction_type", "month_starts_on"),
        "segment_digital_usage": ("touchpoint",),
    }.items()
}


def main() -> int:
    """Compare folders of marts with a build file; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build_file", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    found = [
        f"{folder.name}: {sentence}"
        for folder in options.folders
        for sentence in differences(options.build_file, folder)
    ]
    print("\n".join(found) or "All marts agree.")
    return 1 if found else 0


def export_centres(build_file: Path, path: Path) -> None:
    """Write the fit that a build uses as the JSON that `common.Fit` reads."""
    with duckdb.connect(str(build_file), read_only=True) as db:
        rows = db.execute(
            "select segment_id, fill_value, shift, scale, centre from segments.current_fits"
            f" where segmentation = '{SEGMENTATION}' order by segment_id, feature_position"
        ).fetchall()
    ids = sorted({row[0] for row in rows})
    of_first = [row for row in rows if row[0] == ids[0]]
    told = {
        "segment_ids": ids,
        "fills": [row[1] for row in of_first],
        "shifts": [row[2] for row in of_first],
        "scales": [row[3] for row in of_first],
        "centres": [[row[4] for row in rows if row[0] == segment] for segment in ids],
    }
    path.write_text(json.dumps(told) + "\n")


def differences(build_file: Path, folder: Path) -> list[str]:
    """A sentence for each column of the marts in `folder` that differs from the build's."""
    sentences = []
    with duckdb.connect(str(build_file), read_only=True) as db:
        for name, mart in MARTS.items():
            file = folder / f"{name}.parquet"
            sentences += (
                mart_differences(db, name, mart, file)
                if file.is_file()
                else [f"{name} was not written."]
            )
    share = agreement(folder / "segment_members.parquet")
    if share < LEAST_AGREEMENT:
        sentences.append(
            f"its own fit puts {share:.4%} of customers where the project has them, "
            f"less than {LEAST_AGREEMENT:.1%}."
        )
    return sentences


def agreement(members: Path) -> float:
    """The share of customers in the same segment by the script's own fit and the given one.

    Labels are matched one to one so that most agree.
    """
    with duckdb.connect() as db:
        pairs = db.execute(
            f"select own_segment, segment_id, count(*) from '{members}' group by all"
        ).fetchall()
    own, given = sorted({row[0] for row in pairs}), sorted({row[1] for row in pairs})
    counts = np.zeros((len(own), len(given)))
    for left, right, number in pairs:
        counts[own.index(left), given.index(right)] = number
    matched = counts[linear_sum_assignment(-counts)].sum()
    return float(matched / counts.sum())


def mart_differences(db: duckdb.DuckDBPyConnection, name: str, mart: Mart, file: Path) -> list[str]:
    types = {row[0]: row[1] for row in db.execute(f"describe from '{file}'").fetchall()}
    theirs = {row[0] for row in db.execute(f"describe {mart.query}").fetchall()}
    columns = [column for column in types if column not in {*mart.keys, *OWN_COLUMNS}]
    lacking = [column for column in (*columns, *mart.keys) if column not in theirs]
    if lacking:
        return [f"{name} has the column {lacking[0]}, which the project has not."]
    checks = ", ".join(f"count(*) filter (not ({_is_same(column)}))" for column in columns)
    # Two small tables and one question; keys are never null.
    first = mart.keys[0]
    row = db.execute(f"""
        select
            count(*) filter (script.{first} is null),
            count(*) filter (project.{first} is null),
            count(*),
            {checks}
        from ({mart.query}) as project
        full join '{file}' as script using ({", ".join(mart.keys)})
    """).fetchone()
    assert row is not None
    if row[0] or row[1]:
        return [f"{name} lacks {row[0]} of the project's rows and has {row[1]} others."]
    return [
        f"{name}.{column} differs in {number} of {row[2]} rows."
        for column, number in zip(columns, row[3:], strict=True)
        if number
    ]


def _is_same(column: str) -> str:
    left, right = (
        f"case when not isnan({side}.{column}::double) then {side}.{column}::double end"
        for side in ("project", "script")
    )
    return (
        f"({left}) is not distinct from ({right}) or coalesce(abs(({left}) - ({right}))"
        f" <= {TOLERANCE} * greatest(abs({left}), abs({right})) + {TOLERANCE / 1000}, false)"
    )


if __name__ == "__main__":
    sys.exit(main())
