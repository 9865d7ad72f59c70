"""From a claim to its verdict, on small tables and without a build: which claims are refused and in
which words, what a claim is compared with, why there is no answer, and which rule comes first.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import pytest
from evidence_sql import build, create_empty, models_for, tables_of
from plain_words import assert_plain
from rendering import ROOT, CompilerError, render, render_model

CLAIMS = ROOT / "models" / "evidence" / "claims"
TYPES = (
    dict.fromkeys(
        (
            *("figure", "tolerance", "figure_low", "figure_high", "figure_found", "estimate"),
            *("difference", "difference_low", "difference_high", "adjusted_p", "least_possible"),
            *("smallest_difference", "estimate_low", "estimate_high", "clicked", "waited"),
            *("bought", "purchase_rate"),
            *("largest_reversal", "largest_reversal_low", "largest_reversal_high"),
        ),
        "double",
    )
    | dict.fromkeys(("segment_id", "other_segment_id", "customer_count", "direction"), "bigint")
    | dict.fromkeys(("customers_needed", "event_count", "impression_stratum"), "bigint")
    | dict.fromkeys(("is_small_cell", "is_constructed"), "boolean")
)
Row = Mapping[str, object]


@pytest.fixture
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, model: str, rows: Sequence[Row] = ()) -> None:
    """A model as a table with these rows; what a row leaves out is null."""
    create_empty(connection, model, TYPES)
    for row in rows:
        names, places = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(f"insert into {model} ({names}) values ({places})", [*row.values()])


def built(connection: duckdb.DuckDBPyConnection, model: str) -> pd.DataFrame:
    """A model, with those of the claims that it needs and that are not there yet."""
    build(connection, models_for(model, tables_of(connection)))
    return connection.sql(f"from {model}").df()


# --- claims that stop a build ---

FIGURE = {"mart": "segment_engagement", "metric": "ctr"}
CHANNEL_FIGURE = {"mart": "segment_channel_engagement", "metric": "ctr", "channel": "email"}
SHARES = {"mart": "variation_shares", "metric": "share"}
ORDER = {"mart": "channel_order_agreement", "metric": "largest_reversal"}
CAP = {"mart": "segment_channel_frequency_caps", "metric": "cap", "channel": "email"}
BAND = {"mart": "segment_channel_impression_bands", "metric": "naive_ctr", "channel": "email"}
PAIR = {
    "mart": "segment_product_purchase_association",
    "metric": "purchase_difference",
    "product": "card",
    "owned_product": "savings",
}
COUNTS = {"mart": "segment_count_amount_association", "metric": "count_total_rank_correlation"}
WITHIN = {"claim_type": "within", "figure_low": 0.1, "figure_high": 0.2}
GOOD = {
    "claim_id": "one",
    "source": "a study",
    "sentence": "It is so.",
    "segmentation": "behaviour",
    "read_as": "It is read so.",
}


def problem_of(connection: duckdb.DuckDBPyConnection, claim: Row) -> str | None:
    fill(connection, "stg_claims", [GOOD | dict(claim)])
    known = {"channel": "email", "product": "card", "owned_product": "savings", "band": "8-12"}
    keys = [{"claim_key": key, "known_value": value} for key, value in known.items()]
    fill(connection, "int_claim_keys", keys)
    names = {"Savers": 1, "Spenders": 2, "cluster 0": 1}
    behaviour = {"segmentation": "behaviour"}
    fill(connection, "segments", [behaviour | {"segment_id": 1}, behaviour | {"segment_id": 2}])
    references = [
        behaviour | {"reference": name, "segment_id": number} for name, number in names.items()
    ]
    fill(connection, "int_segment_references", references)
    (problem,) = built(connection, "int_claims")["problem"]
    return None if pd.isna(problem) else str(problem)


@pytest.mark.parametrize(
    "claim",
    [
        FIGURE | {"claim_type": "more_than", "segment": "Savers", "compared_with": "rest"},
        FIGURE | {"claim_type": "less_than", "segment": "cluster 0", "compared_with": "Spenders"},
        FIGURE | {"claim_type": "highest", "segment": "Savers"},
        FIGURE | {"claim_type": "no_difference"},
        FIGURE | {"claim_type": "no_difference", "segment": "Savers", "compared_with": "rest"},
        FIGURE | {"claim_type": "no_difference", "segment": "Savers"},
        FIGURE | WITHIN | {"segment": "Savers"},
        FIGURE | WITHIN,
        CHANNEL_FIGURE | WITHIN,
        BAND | WITHIN | {"band": "8-12"},
        CAP | WITHIN | {"segment": "Savers"},
        SHARES | {"claim_type": "more_than", "compared_with": "channels"},
        SHARES | {"claim_type": "no_difference", "compared_with": "channels"},
        ORDER | {"claim_type": "same_order"},
        PAIR | {"claim_type": "goes_with", "sign": "+", "segment": "Savers"},
        PAIR | {"claim_type": "no_difference"},
        {"claim_type": "more_than", "segment": "Savers", "compared_with": "rest"},
        {"claim_type": "explanation", "segment": "Savers", "read_as": None},
        {"claim_type": "explanation", "read_as": None},
    ],
)
def test_a_claim_with_nothing_wrong_stops_nothing(
    tables: duckdb.DuckDBPyConnection, claim: Row
) -> None:
    assert problem_of(tables, claim) is None


@pytest.mark.parametrize(
    ("claim", "problem"),
    [
        (
            FIGURE | WITHIN | {"segmentation": "moods"},
            "segmentation moods does not run on this source",
        ),
        (
            WITHIN | {"mart": "segment_engagement", "metric": "joy"},
            "there is no figure joy in a mart segment_engagement",
        ),
        (WITHIN | {"metric": "ctr"}, "there is no figure ctr in a mart (none)"),
        (
            FIGURE | WITHIN | {"figure_low": 0.3},
            "figure_low is larger than figure_high; change them over",
        ),
        (
            FIGURE | {"claim_type": "about", "figure": 0.2, "tolerance": -0.1},
            "tolerance is below 0; leave its sign out",
        ),
        (
            FIGURE | WITHIN | {"read_as": None},
            "read_as is empty; say in one sentence how the claim was made testable",
        ),
        (
            {"claim_type": "more_than", "segment": "Savers", "compared_with": "rest"}
            | {"read_as": None},
            "read_as is empty; say in one sentence how the claim was made testable",
        ),
        # Bands.
        (
            FIGURE | WITHIN | {"band": "8-12"},
            "segment_engagement.ctr has no band; leave it out or name another mart",
        ),
        (
            CAP | WITHIN | {"band": "8-12"},
            "segment_channel_frequency_caps.cap has no band; leave it out or name another mart",
        ),
        (BAND | WITHIN, "segment_channel_impression_bands.naive_ctr needs a band"),
        # What it is compared with.
        (
            FIGURE | {"claim_type": "no_difference", "compared_with": "nobody"},
            "compared_with nobody needs a segment; name one or leave compared_with out",
        ),
        (
            FIGURE | {"claim_type": "more_than", "compared_with": "rest"},
            "more_than needs a segment",
        ),
        (
            FIGURE | {"claim_type": "less_than", "segment": "Savers"},
            "less_than needs what it is compared_with",
        ),
        (
            FIGURE
            | {"claim_type": "no_difference", "segment": "Savers", "compared_with": "Nobody"},
            "compared_with Nobody is no segment of behaviour, no label and not rest",
        ),
        (
            FIGURE | {"claim_type": "highest", "segment": "Savers", "compared_with": "rest"},
            "highest takes no compared_with; leave it out",
        ),
        (
            FIGURE | WITHIN | {"compared_with": "rest"},
            "within takes no compared_with; leave it out",
        ),
        (
            FIGURE | {"claim_type": "more_than", "segment": "Savers", "compared_with": "cluster 0"},
            "a segment cannot be compared with itself",
        ),
        (
            SHARES | {"claim_type": "more_than", "compared_with": "platforms"},
            "variation_shares.share is compared with channels; write that in compared_with",
        ),
        (
            PAIR | {"claim_type": "more_than", "segment": "Savers", "compared_with": "rest"},
            "purchase_difference says by itself how far things are apart; leave compared_with "
            "out, and choose goes_with for more or less",
        ),
        (
            PAIR | {"claim_type": "highest", "segment": "Savers"},
            "highest compares segments, and purchase_difference of one is not compared with "
            "that of another",
        ),
        # A segment where there is none.
        (
            SHARES | {"claim_type": "more_than", "segment": "Savers", "compared_with": "channels"},
            "variation_shares.share is of all segments together; leave segment out",
        ),
        (
            ORDER | {"claim_type": "same_order", "segment": "Savers"},
            "channel_order_agreement.largest_reversal is of all segments together; "
            "leave segment out",
        ),
        (
            PAIR | {"claim_type": "same_order"},
            "same_order needs a figure of all segments together, and purchase_difference is not",
        ),
    ],
)
def test_a_claim_that_cannot_be_meant_is_refused_in_words(
    tables: duckdb.DuckDBPyConnection, claim: Row, problem: str
) -> None:
    assert problem_of(tables, claim) == problem


def stopped(connection: duckdb.DuckDBPyConnection) -> None:
    """What runs after int_claims is made, on tables of that name and base_claims."""

    def run_query(query: str) -> SimpleNamespace:
        return SimpleNamespace(rows=connection.sql(query).fetchall())

    flags = SimpleNamespace(EMPTY=False)
    render("stop_at_unknown_claims()", run_query=run_query, this="int_claims", flags=flags)


ACCEPTED = {"claim_id": "two", "row_status": "accepted", "is_deleted": False}
BROKEN = {"row_status": "broken", "source_row": 7, "broken_rules": "missing_claim_id"}


@pytest.mark.parametrize(
    ("rows", "problem", "sentence"),
    [
        (
            [ACCEPTED | {"blanked_columns": "figure|tolerance"}],
            "about needs a figure and a tolerance",
            "claims, row two: figure, tolerance cannot be read; mend it or leave it empty.",
        ),
        (
            [ACCEPTED],
            "within needs figure_low and figure_high",
            "claims, row two: within needs figure_low and figure_high.",
        ),
        (
            [ACCEPTED, ACCEPTED | {"row_status": "superseded"}],
            None,
            "claims, row two: the claim_id stands there twice; give each claim its own.",
        ),
        (
            [ACCEPTED, BROKEN],
            None,
            "claims, row 7 of the file breaks missing_claim_id; mend it or take it out.",
        ),
    ],
    ids=["not a number", "problem", "twice", "broken"],
)
def test_one_sentence_names_the_row_of_the_claim(
    tables: duckdb.DuckDBPyConnection, rows: list[Row], problem: str | None, sentence: str
) -> None:
    fill(tables, "base_claims", rows)
    fill(tables, "int_claims", [{"claim_id": "two", "problem": problem}])
    with pytest.raises(CompilerError) as refused:
        stopped(tables)
    assert str(refused.value) == sentence


def test_good_claims_and_none_at_all_stop_nothing(tables: duckdb.DuckDBPyConnection) -> None:
    fill(tables, "base_claims", [ACCEPTED])
    fill(tables, "int_claims", [{"claim_id": "two"}])
    stopped(tables)
    tables.execute("delete from base_claims; delete from int_claims")
    stopped(tables)


@pytest.mark.parametrize(
    "file",
    [ROOT / "seeds" / "raw_claims.csv", *sorted((ROOT / "importers").glob("*_claims.csv"))],
    ids=lambda file: str(file.stem),
)
def test_shipped_claims_say_how_they_are_read_in_plain_words(file: Path) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        claims = list(csv.DictReader(lines))
    assert len(claims) >= 10
    for claim in claims:
        assert_plain(claim["sentence"])
        assert_plain(claim["read_as"])
        if claim["claim_type"] != "explanation":
            assert claim["read_as"].endswith("."), claim["claim_id"]


# --- what it is compared with ---

# Savers against the other two segments, and against all others together.
DIFFERENCES = [
    {"compared_with": "segment", "other_segment_id": 2, "difference": 0.30},
    {"compared_with": "segment", "other_segment_id": 3, "difference": -0.02},
    {"compared_with": "rest", "difference": 0.15},
]


@pytest.mark.parametrize(
    ("claim", "difference"),
    [
        ({"claim_type": "more_than", "direction": 1, "compared_with": "rest"}, 0.15),
        ({"claim_type": "no_difference", "compared_with": "rest"}, 0.15),
        ({"claim_type": "no_difference", "compared_with": "C", "other_segment_id": 3}, -0.02),
        ({"claim_type": "no_difference"}, 0.30),
        ({"claim_type": "highest", "direction": 1}, -0.02),
    ],
)
def test_a_claim_is_compared_with_what_it_names(
    tables: duckdb.DuckDBPyConnection, claim: Row, difference: float
) -> None:
    about = FIGURE | {"segmentation": "behaviour", "segment_id": 1}
    fill(tables, "int_claims", [{"claim_id": "one"} | about | dict(claim)])
    rows = [
        about
        | row
        | {"difference_low": row["difference"], "difference_high": row["difference"]}
        | {"adjusted_p": 0.5, "smallest_difference": 1.0, "is_small_cell": False}
        for row in DIFFERENCES
    ]
    fill(tables, "segment_differences", rows)
    (found,) = built(tables, "int_claim_comparisons")["difference"]
    assert found == difference


# --- figures that bring their own customers, and why there is none ---


def bands_of(connection: duckdb.DuckDBPyConnection, **mart: object) -> pd.DataFrame:
    """The figures of one band over all customers, by metric."""
    fill(connection, "segment_channel_frequency_caps")
    groups = [{"is_all_customers": True}, {"is_all_customers": False, "segmentation": "behaviour"}]
    fill(connection, "int_customer_groups", groups)
    band = {"is_all_customers": True, "channel": "email", "band_name": "8-12"}
    fill(connection, "segment_channel_impression_bands", [band | mart])
    figures = built(connection, "int_impression_figures")
    assert list(figures["segmentation"]) == ["behaviour"] * 4
    return figures.set_index("metric")


COUNTED = {
    "customer_count": 900,
    "naive_customer_count": 300,
    "naive_click_count": 30,
    "at_risk_customer_count": 700,
    "first_click_count": 40,
    "is_small_cell": False,
}


@pytest.mark.parametrize(
    ("change", "small"),
    [
        ({}, set()),
        ({"naive_customer_count": 199}, {"naive_ctr"}),
        ({"naive_click_count": 19}, {"naive_ctr"}),
        ({"at_risk_customer_count": 199}, {"first_click_hazard"}),
        ({"first_click_count": 19}, {"first_click_hazard"}),
        ({"is_small_cell": True}, {"within_ctr", "across_ctr"}),
    ],
)
def test_each_reading_of_a_band_rests_on_its_own_customers_and_clicks(
    tables: duckdb.DuckDBPyConnection, change: Row, small: set[str]
) -> None:
    figures = bands_of(tables, **(COUNTED | dict(change)))
    assert set(figures.index[figures["is_small_cell"]]) == small
    counts = COUNTED | dict(change)
    assert dict(figures["customer_count"]) == {
        "naive_ctr": counts["naive_customer_count"],
        "within_ctr": 900,
        "across_ctr": 900,
        "first_click_hazard": counts["at_risk_customer_count"],
    }


@pytest.mark.parametrize(
    ("delivery", "within_ctr", "obstacle"),
    [
        ("independent", 0.1, None),
        ("independent", None, None),
        ("stops_after_clicks", None, "not_randomised"),
        ("grows_after_clicks", None, "not_randomised"),
        ("unknown", None, "insufficient"),
    ],
)
def test_the_same_customers_cannot_be_compared_where_delivery_follows_clicks(
    tables: duckdb.DuckDBPyConnection,
    delivery: str,
    within_ctr: float | None,
    obstacle: str | None,
) -> None:
    figures = bands_of(tables, **COUNTED, delivery=delivery, within_ctr=within_ctr)
    found = figures["obstacle"]
    assert text_of(found["within_ctr"]) == obstacle
    assert found.drop("within_ctr").isna().all()


def text_of(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def test_who_all_clicked_or_all_own_it_is_no_overlap(tables: duckdb.DuckDBPyConnection) -> None:
    spell = {"segmentation": "behaviour", "segment_id": 1, "impression_stratum": 1}
    spells = [
        spell
        | {"channel": channel, "customer_id": f"{channel} {clicked}"}
        | {"clicked": clicked, "waited": 1 - clicked, "bought": 1.0}
        for channel, sides in {"email": (0.0, 1.0), "facebook": (1.0,), "twitter": (0.0,)}.items()
        for clicked in sides
    ]
    fill(tables, "int_channel_purchase_spells", spells)
    pairs = {("card", "savings"): (50, 50), ("card", "loan"): (0, 100), ("card", "cash"): (9, 0)}
    cells = [
        {"segmentation": "behaviour", "segment_id": 1, "product": product, "owned_product": owned}
        | {"owner_count": owners, "other_count": others}
        | {"owning_buyer_count": 0, "other_buyer_count": 0}
        for (product, owned), (owners, others) in pairs.items()
    ]
    tables.register("cells", pd.DataFrame(cells))
    tables.execute("create table int_product_pair_cells as from cells")
    fill(tables, "segment_count_amount_association")
    figures = built(tables, "int_association_figures")
    found = {
        (row.cell, text_of(row.other_cell), not pd.isna(row.segment_id)): text_of(row.obstacle)
        for row in figures.itertuples()
    }
    assert found == {
        (cell, owned, is_segment): obstacle
        for (cell, owned), obstacle in {
            ("email", None): None,
            ("facebook", None): "no_overlap",
            ("twitter", None): "no_overlap",
            ("card", "savings"): None,
            ("card", "loan"): "no_overlap",
            ("card", "cash"): "no_overlap",
        }.items()
        for is_segment in (True, False)
    }
    assert len(figures) == len(found)


# --- the verdict, rule before rule ---

SAID = {"segmentation": "behaviour", "segment_id": 1, "claim_type": "more_than", "direction": 1}
CLEAR = {
    "figure_found": 0.5,
    "difference": 0.2,
    "difference_low": 0.1,
    "difference_high": 0.3,
    "adjusted_p": 0.001,
    "smallest_difference": 0.01,
    "customer_count": 900,
    "is_small_cell": False,
}
OTHER_WAY = {"difference": -0.2, "difference_low": -0.3, "difference_high": -0.1}
TINY = {"difference": 0.001, "difference_low": 0.0005, "difference_high": 0.002}
TINY_OTHER_WAY = {"difference": -0.001, "difference_low": -0.002, "difference_high": -0.0005}
WIDE = {"difference_low": -0.3, "adjusted_p": 0.9}
MADE_UP = {"mart": "segment_transactions", "metric": "transactions_per_customer"}
MADE_UP |= {"cell": "deposit"}
INPUT = {"mart": "segment_engagement", "metric": "conversion_rate"}
SPREAD = {"mart": "segment_transactions", "metric": "amount_per_transaction_cv"}
SPREAD |= {"cell": "payment"}
MEANS = COUNTS | {"metric": "count_mean_rank_correlation"}
BY_SIGN = {"claim_type": "goes_with", "segment_id": None}
NO_CAP = {"difference": None, "difference_low": None, "difference_high": None}
NO_CAP |= {"figure_found": None, "least_possible": 13.0}
CAP_OF_EMAIL = {"mart": CAP["mart"], "metric": "cap", "cell": "email", "claim_type": "within"}
CAP_OF_EMAIL |= {"figure_low": 8.0, "figure_high": 12.0}
UNKNOWN = {"segmentation": "handed_in"}
INPUTS_UNKNOWN = (
    " Nobody said what these groups were made from, so a finding about them cannot be told from "
    "how they were made."
)


def judged(
    connection: duckdb.DuckDBPyConnection,
    claim: Row,
    finding: Row | None = None,
    figures: Sequence[Row] = (),
    is_constructed: bool = True,
) -> dict[str, Any]:
    """The verdict on one claim about what was found."""
    fill(connection, "int_claims", [GOOD | SAID | dict(claim)])
    found = [] if finding is None else [{"claim_id": "one"} | CLEAR | dict(finding)]
    rows = pd.DataFrame(found, columns=["claim_id", *CLEAR, "obstacle", *TWO_MORE])
    numbers = [column for column, kind in TYPES.items() if kind != "boolean" and column in rows]
    rows[numbers] = rows[numbers].astype("Float64")
    connection.register("found", rows.astype({"claim_id": "string", "obstacle": "string"}))
    connection.execute(
        "create table int_claim_findings as select * replace (is_small_cell::boolean as "
        "is_small_cell) from found"
    )
    fill(connection, "int_claim_figures", figures)
    fill(connection, "stg_transactions", [{"is_constructed": is_constructed}])
    fill(connection, "int_metric_cells")
    fill(connection, "int_segmentation_structure", [{"segmentation": GOOD["segmentation"]}])
    # Of `behaviour` conversions, purchases and transactions went in; of the other nobody knows.
    sources = [
        {"segmentation": "behaviour", "raw_column": "campaign_engagements.conversions"},
        {"segmentation": "behaviour", "raw_column": "product_holdings.opened_on"},
        {"segmentation": "behaviour", "raw_column": "transactions.transaction_id"},
        {"segmentation": "handed_in"},
    ]
    fill(connection, "int_segmentation_sources", sources)
    (verdict,) = built(connection, "int_claim_verdicts").astype(object).to_dict("records")
    return {name: None if pd.isna(value) else value for name, value in verdict.items()}


TWO_MORE = ("least_possible", "customers_needed")


@pytest.mark.parametrize(
    ("claim", "finding", "verdict"),
    [
        # One rule at a time.
        (FIGURE, {}, "supported"),
        (FIGURE, OTHER_WAY, "contradicted"),
        (FIGURE, TINY, "negligible"),
        (FIGURE, WIDE, "unsupported"),
        (INPUT, {}, "circular"),
        (MEANS | BY_SIGN, {}, "circular"),
        (FIGURE, None, "not_identifiable"),
        (FIGURE, {"is_small_cell": True}, "not_identifiable"),
        (MADE_UP, {}, "not_identifiable"),
        (FIGURE, {"obstacle": "not_randomised"}, "not_identifiable"),
        (FIGURE, {"obstacle": "insufficient"}, "not_identifiable"),
        (SPREAD, None, "not_identifiable"),
        (CAP_OF_EMAIL, NO_CAP, "contradicted"),
        (CAP_OF_EMAIL, NO_CAP | {"least_possible": 12.0}, "unsupported"),
        (FIGURE | UNKNOWN, {}, "unsupported"),
        (FIGURE | {"claim_type": "explanation"}, {}, None),
        # What cannot be answered is not called circular, whatever the figure says.
        (INPUT, {"is_small_cell": True}, "not_identifiable"),
        (INPUT, None, "not_identifiable"),
        (INPUT, {"obstacle": "not_randomised"}, "not_identifiable"),
        (MEANS | BY_SIGN, {"obstacle": "insufficient"}, "not_identifiable"),
        (MADE_UP, OTHER_WAY, "not_identifiable"),
        (FIGURE, OTHER_WAY | {"is_small_cell": True}, "not_identifiable"),
        (FIGURE, TINY | {"obstacle": "insufficient"}, "not_identifiable"),
        (CAP_OF_EMAIL, NO_CAP | {"obstacle": "insufficient"}, "not_identifiable"),
        (FIGURE | UNKNOWN, {"is_small_cell": True}, "not_identifiable"),
        # Circular comes before any rule of the claim's type.
        (INPUT, OTHER_WAY, "circular"),
        (INPUT, TINY, "circular"),
        (INPUT, WIDE, "circular"),
        (MEANS | BY_SIGN | UNKNOWN, {}, "circular"),
        # Unknown inputs take only support away.
        (FIGURE | UNKNOWN, OTHER_WAY, "contradicted"),
        (FIGURE | UNKNOWN, TINY, "negligible"),
        (FIGURE | UNKNOWN, WIDE, "unsupported"),
        # Of the rules of a difference the other way comes first, then what matters.
        (FIGURE, TINY_OTHER_WAY, "contradicted"),
        (FIGURE, TINY_OTHER_WAY | {"adjusted_p": 0.9}, "negligible"),
        # An explanation is never graded.
        (INPUT | {"claim_type": "explanation"}, {"is_small_cell": True}, None),
        (FIGURE | UNKNOWN | {"claim_type": "explanation"}, {}, None),
    ],
)
def test_the_rules_of_a_verdict_come_in_their_order(
    tables: duckdb.DuckDBPyConnection, claim: Row, finding: Row | None, verdict: str | None
) -> None:
    row = judged(tables, claim, finding)
    assert row["verdict"] == verdict
    assert (row["figure_reproduces"] is not None) == (verdict == "circular")
    assert (row["verdict_label"] is None) == (verdict is None)
    assert_plain(row["reason"])
    assert row["reason"].endswith(".")


@pytest.mark.parametrize(
    ("claim", "finding", "reason"),
    [
        (MADE_UP, {"is_small_cell": True}, "It rests on transactions that were made up"),
        (FIGURE, {"obstacle": "not_randomised"} | NO_CAP, "Who was shown how much depended"),
        (FIGURE, {"obstacle": "insufficient", "is_small_cell": True}, "Too few customers t"),
        (FIGURE, {"obstacle": "no_overlap", "is_small_cell": True}, "On one side nobody"),
        (FIGURE | WITHIN, {"obstacle": "no_overlap"}, "Nobody in this group was counted"),
        (FIGURE, {"is_small_cell": True}, "Too few customers or events to say"),
        (FIGURE, None, "Nothing handed in answers this."),
        (SPREAD, None, "How far this figure may be off is not known"),
    ],
)
def test_why_the_data_cannot_tell_is_said_of_what_comes_first(
    tables: duckdb.DuckDBPyConnection, claim: Row, finding: Row | None, reason: str
) -> None:
    row = judged(tables, claim, finding, is_constructed=claim is MADE_UP)
    assert row["verdict"] == "not_identifiable"
    assert row["reason"].startswith(reason)


HANDED_IN = {"segmentation": "behaviour", "segment_id": 2, **FIGURE, "estimate": 0.1}


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ([], "Nothing handed in answers this."),
        ([HANDED_IN | {"estimate": None}], "Nothing handed in answers this."),
        ([HANDED_IN | {"metric": "open_rate"}], "Nothing handed in answers this."),
        ([HANDED_IN | {"cell": "email"}], "Nothing handed in answers this."),
        ([HANDED_IN], "On one side nobody was counted, so there is nothing to compare with."),
    ],
)
@pytest.mark.parametrize("finding", [None, NO_CAP | {"least_possible": None}])
def test_a_figure_that_only_others_have_was_handed_in(
    tables: duckdb.DuckDBPyConnection,
    figures: list[Row],
    reason: str,
    finding: Row | None,
) -> None:
    row = judged(tables, FIGURE, finding, figures)
    assert (row["verdict"], row["reason"]) == ("not_identifiable", reason)


# --- circular, and not ---


@pytest.mark.parametrize(
    ("claim", "verdict", "words"),
    [
        (INPUT, "circular", "helped to form these groups"),
        (INPUT | {"claim_type": "no_difference", "segment_id": None}, "circular", "these groups"),
        (PAIR | BY_SIGN, "circular", "compared within groups"),
        (PAIR | BY_SIGN | {"segment_id": 1}, "circular", "helped to form these groups"),
        (COUNTS | BY_SIGN | {"segment_id": 1}, "circular", "helped to form these groups"),
        # Over all customers, and not within segments: the segments have no part in it.
        (COUNTS | BY_SIGN, "supported", "More of one goes with more of the other: 0.20 (0.10"),
        (INPUT | WITHIN | {"segment_id": None}, "unsupported", "Found: 50.0 %"),
        (MEANS | BY_SIGN, "circular", "part of it is arithmetic"),
    ],
)
def test_a_figure_is_circular_only_through_the_segments_it_rests_on(
    tables: duckdb.DuckDBPyConnection, claim: Row, verdict: str, words: str
) -> None:
    columns = documented("int_claims")
    claim = {name: value for name, value in claim.items() if name in columns}
    row = judged(tables, claim, {}, is_constructed=False)
    assert row["verdict"] == verdict
    assert words in row["reason"]


def documented(model: str) -> set[str]:
    with duckdb.connect() as connection:
        create_empty(connection, model, TYPES)
        return set(connection.sql(f"from {model}").columns)


# --- a segmentation that was handed in ---


def sources_of(**segmentation: object) -> list[tuple[Any, ...]]:
    own = {"name": "handed_in", "grain": "customer", "kind": "given"} | segmentation
    variables = {"segmentations": [own], "segmentations_by_source": {"default": ["handed_in"]}}
    path = "models/evidence/claims/int_segmentation_sources.sql"
    sql = render_model(path, variables=variables)
    with duckdb.connect() as connection:
        return connection.sql(f"select raw_column, cell from ({sql}) order by all").fetchall()


def test_a_segmentation_handed_in_without_inputs_has_unknown_ones() -> None:
    assert sources_of() == [(None, None)]
    assert sources_of(inputs=[]) == [(None, None)]
    declared = ["customers.birth_year", "product_holdings.product:loan"]
    assert sources_of(inputs=declared) == [
        ("customers.birth_year", None),
        ("product_holdings.product", "loan"),
    ]


@pytest.mark.parametrize(
    ("finding", "verdict", "found"),
    [
        ({}, "unsupported", "The gap is 20.0 percentage points (10.0 to 30.0)."),
        (
            OTHER_WAY,
            "contradicted",
            "It is the other way round: the gap is 10.0 to 30.0 percentage points.",
        ),
        (TINY, "negligible", "The gap is at most 0.2 percentage points, too little to act on."),
        (WIDE, "unsupported", "The gap could be anything from -30.0 to 30.0 percentage points."),
        (None, "not_identifiable", "Nothing handed in answers this."),
    ],
)
def test_every_verdict_on_groups_of_unknown_inputs_says_so(
    tables: duckdb.DuckDBPyConnection, finding: Row | None, verdict: str, found: str
) -> None:
    row = judged(tables, FIGURE | UNKNOWN, finding)
    assert (row["verdict"], row["reason"]) == (verdict, found + INPUTS_UNKNOWN)
    assert row["use_it"] != "yes"


def test_an_explanation_of_such_groups_is_only_listed(tables: duckdb.DuckDBPyConnection) -> None:
    row = judged(tables, FIGURE | UNKNOWN | {"claim_type": "explanation"})
    assert row["verdict"] is None and INPUTS_UNKNOWN not in row["reason"]


# --- where the demo's own sentences stand ---


def test_what_a_share_of_variation_is_said_to_be_is_what_is_computed() -> None:
    """Between customers, from segment to segment and within one, less between channels: what
    `segmentation.noise` computes is held against simulations in test_noise.
    """
    said = []
    for file in (ROOT / "seeds" / "raw_claims.csv", *(ROOT / "importers").glob("*_claims.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            said += [row for row in csv.DictReader(lines) if row["mart"] == "variation_shares"]
    assert len(said) == 2
    for claim in said:
        assert "between customers" in claim["read_as"] and "and within one" in claim["read_as"]
