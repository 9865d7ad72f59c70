"""The SQL around the value models: the demo against pandas, and small banks made up for it."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from evidence_sql import build
from rendering import ROOT, project_vars
from test_value import MUCH, OFTEN
from test_value_coverage import bought

from segmentation import value
from segmentation.customer_value import fit_value_models, score_customers
from segmentation.value_scorecards import value_scorecards

VARS = project_vars()
TYPES = VARS["purchase_transaction_types"]
MARGINS = pd.read_csv(ROOT / "seeds" / "margins.csv").set_index("transaction_type")["margin_rate"]
MODELS = ROOT / "models"
HISTORIES = [
    MODELS / "intermediate" / f"{name}.sql"
    for name in (
        *("int_purchase_margins", "int_purchase_days", "int_purchase_period"),
        *("int_customer_purchases", "int_customer_purchase_trials"),
        *("int_customer_active_months", "int_customer_activity"),
    )
]
SEGMENT_VALUE = [
    MODELS / "intermediate" / "int_segment_value_figures.sql",
    MODELS / "marts" / "value" / "segment_value.sql",
]
FIGURES = ["last_year_amount", "expected_transactions_365", "expected_revenue_365", "clv"]


def histories_of(
    transactions: pd.DataFrame, until: pd.Timestamp, since: pd.Timestamp
) -> pd.DataFrame:
    """Frequency, recency, age, value and last year of every customer with a purchase, in pandas."""
    own = transactions[transactions["transaction_type"].isin(TYPES)]
    own = own[own["transacted_on"] <= until]
    own = own.assign(value=own["amount"].astype(float) * own["transaction_type"].map(MARGINS))
    days = own.groupby(["customer_id", "transacted_on"], as_index=False)["value"].sum()
    first = days.groupby("customer_id")["transacted_on"].transform("min")
    repeated = days[days["transacted_on"] > first]
    year = days[
        days["transacted_on"] > max(until - pd.Timedelta(days=365), since - pd.Timedelta(days=1))
    ]
    dates = days.groupby("customer_id")["transacted_on"].agg(["min", "max", "count"])
    return pd.DataFrame(
        {
            "frequency": dates["count"] - 1,
            "recency_days": (dates["max"] - dates["min"]).dt.days,
            "age_days": (until - dates["min"]).dt.days,
            "mean_purchase_value": repeated.groupby("customer_id")["value"].mean(),
            "last_year_purchase_count": year.groupby("customer_id").size(),
            "last_year_amount": year.groupby("customer_id")["value"].sum(),
        }
    ).fillna({"last_year_purchase_count": 0, "last_year_amount": 0})


# --- the demo ---


@pytest.fixture(scope="module")
def demo(demo_build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        yield connection


def test_the_demos_histories_are_those_of_pandas(demo: duckdb.DuckDBPyConnection) -> None:
    transactions = demo.sql("from staging.stg_transactions").df()
    customers = demo.sql("from staging.stg_customers").df().set_index("customer_id")
    (period,) = demo.sql("from intermediate.int_purchase_period").df().to_dict("records")
    per_day = transactions.groupby("transacted_on").size()
    since = per_day[per_day >= 0.01 * per_day.mean()].index.min()
    as_of = demo.sql("from staging.as_of").df()["as_of_on"].iloc[0]
    held_out = int(VARS["value_held_out_share"] * (as_of - since).days)
    split = as_of - pd.Timedelta(days=held_out)
    assert (period["data_starts_on"], period["trained_until_on"]) == (since, split)
    assert period["held_out_days"] == held_out

    for name, until in (("int_customer_purchases", as_of), ("int_customer_purchase_trials", split)):
        found = demo.sql(f"from intermediate.{name}").df().set_index("customer_id").sort_index()
        truncated = ~(customers["joined_on"].reindex(found.index) >= since)
        assert (found["is_left_truncated"] == truncated).all()
        found = found[found["frequency"].notna()]
        expected = histories_of(transactions, until, since).sort_index()
        expected = expected.loc[expected.index.isin(customers.index)]
        pd.testing.assert_frame_equal(
            found[expected.columns].astype(float),
            expected.astype(float),
            rtol=1e-12,
            check_names=False,
        )

    own = transactions[transactions["transaction_type"].isin(TYPES)]
    later = own[own["transacted_on"] > split].drop_duplicates(["customer_id", "transacted_on"])
    counted = found["held_out_purchase_count"]
    expected_count = later.groupby("customer_id").size().reindex(counted.index, fill_value=0)
    assert (counted == expected_count).all()


def test_the_demos_segments_are_their_customers(demo: duckdb.DuckDBPyConnection) -> None:
    customers = demo.sql("from customers.customer_value").df()
    members = demo.sql("from customers.customer_segments").df()
    mart = demo.sql("from marts.segment_value").df().set_index(["segmentation", "segment_id"])
    assert len(mart)
    for key, own in members.merge(customers).groupby(["segmentation", "segment_id"]):
        row = mart.loc[key]
        assert row["customer_count"] == len(own)
        assert row["active_customer_count"] == own["is_active"].sum()
        for figure in FIGURES:
            values = np.sort(own[figure].dropna().to_numpy(float))
            cut = int(VARS["value_trimmed_share"] * len(values))
            top = values[len(values) - int(np.ceil(0.1 * len(values))) :]
            expected = {
                "total": values.sum(),
                "per_customer": values.mean(),
                "per_customer_median": np.median(values),
                "per_customer_trimmed": values[cut : len(values) - cut].mean(),
                "top_tenth_share": top.sum() / values.sum(),
                "top_customer_share": values[-1] / values.sum(),
            }
            found = row[[f"{figure}_{part}" for part in expected]].to_numpy(float)
            assert found == pytest.approx(list(expected.values()), rel=1e-9), (key, figure)


def test_the_demo_says_why_no_model_is_used(demo: duckdb.DuckDBPyConnection) -> None:
    """Nobody leaves the demo's bank for good, so BG/NBD has no maximum."""
    quality = "from health.data_quality select check_name where check_type = 'model'"
    assert demo.sql(quality).fetchall() == [("bg_nbd: at_bound",)]
    rows = demo.sql("select distinct basis, reason from customers.customer_value").fetchall()
    assert [basis for basis, _ in rows] == ["baseline"]
    assert "ran to its bound" in rows[0][1]


# --- small banks ---


def bank(customers: str, transactions: str) -> duckdb.DuckDBPyConnection:
    """A connection with the staged rows of a bank, and its purchase histories."""
    connection = duckdb.connect()
    tables(connection, customers, transactions)
    return connection


def tables(connection: duckdb.DuckDBPyConnection, customers: str, transactions: str) -> None:
    """Create the staged rows of a bank, and its purchase histories."""
    connection.execute(
        f"""
        create table as_of as
        select date '2026-01-01' as as_of_on, date '2025-01-01' as window_starts_after;
        create table margins as from read_csv('{ROOT / "seeds" / "margins.csv"}');
        create table stg_digital_sessions
        (customer_id varchar, used_on date, session_count bigint);
        create table stg_customers as
        select * from ({customers}) as rows (customer_id, joined_on);
        create table stg_transactions as
        select *, false as is_constructed
        from ({transactions}) as rows (customer_id, transacted_on, transaction_type, amount);
        """
    )
    build(connection, HISTORIES)


def test_purchases_are_days_of_the_types_that_count() -> None:
    connection = bank(
        """
        values ('A', date '2025-02-01'), ('B', date '2024-12-31'), ('C', null),
            ('D', date '2025-06-01')
        """,
        """
        values ('A', date '2025-02-01', 'payment', 100.0),
            ('A', date '2025-02-01', 'payment', 50.0), ('A', date '2025-03-01', 'payment', 200.0),
            ('A', date '2025-03-01', 'transfer', 1000.0),
            ('A', date '2025-03-11', 'deposit', 900.0), ('A', date '2025-03-31', 'payment', 100.0),
            ('B', date '2025-01-01', 'payment', 10.0), ('C', date '2025-01-01', 'withdrawal', 10.0)
        """,
    )
    found = connection.sql("from int_customer_purchases order by customer_id").df()
    first = found.iloc[0]
    assert (first["frequency"], first["recency_days"], first["age_days"]) == (2, 58, 334)
    assert first["mean_purchase_value"] == pytest.approx((2.4 + 1.2) / 2)
    assert first["last_year_purchase_count"] == 3
    assert first["last_year_amount"] == pytest.approx(1.8 + 2.4 + 1.2)
    # Joined before the first day of the data, or on an unknown day: what was before is not known.
    assert list(found["is_left_truncated"]) == [False, True, True, False]
    assert list(found["frequency"].isna()) == [False, False, True, True]
    activity = dict(connection.sql("from int_customer_activity").fetchall())
    assert str(activity["A"]) == "2025-03-31"
    assert str(activity["D"]) == "2025-06-01"
    connection.execute("update stg_transactions set is_constructed = transacted_on > '2025-03-11'")
    build(connection, HISTORIES[-2:])
    activity = dict(connection.sql("from int_customer_activity").fetchall())
    assert str(activity["A"]) == "2025-03-11"


def test_a_bank_without_transactions_has_customers_without_histories() -> None:
    connection = bank(
        "values ('A', date '2025-02-01')",
        "select 'A', date '2025-02-01', 'payment', 1.0 where false",
    )
    (row,) = connection.sql("from int_customer_purchases").df().to_dict("records")
    assert row["last_year_purchase_count"] == 0
    assert pd.isna(row["frequency"])
    assert connection.sql("from int_customer_purchase_trials").fetchall() == []


def test_one_customer_with_half_of_all_revenue_is_seen() -> None:
    connection = duckdb.connect()
    figures = ", ".join(
        f"null::double as {figure}{end}"
        for figure in ("probability_active", *FIGURES[1:])
        for end in (("", "_low", "_high") if figure[0] == "p" else ("_low", "_high"))
    )
    connection.execute(
        f"""
        create table segments as select 'one' as segmentation, 1 as segment_id, 'S' as segment_name;
        create table customer_value as
        select 'C' || lpad(number::varchar, 4, '0') as customer_id, 'baseline' as basis,
            true as is_active, {figures},
            'last year' as transactions_baseline, 'last year' as revenue_baseline,
            case when number = 0 then 999.0 else 1.0 end::double as clv,
            clv as last_year_amount, clv as expected_transactions_365, clv as expected_revenue_365
        from range(1000) as customers (number);
        create table customer_segments as
        select customer_id, 'one' as segmentation, 1 as segment_id from customer_value;
        """
    )
    build(connection, SEGMENT_VALUE)
    (row,) = connection.sql("from segment_value").df().to_dict("records")
    assert row["clv_total"] == pytest.approx(1998)
    assert row["clv_top_customer_share"] == pytest.approx(0.5)
    assert row["clv_top_tenth_share"] == pytest.approx(1098 / 1998)
    assert row["clv_per_customer"] == pytest.approx(1.998)
    assert row["clv_per_customer_median"] == row["clv_per_customer_trimmed"] == 1
    assert row["clv_per_customer_high"] - 1.998 > 1.998 - row["clv_per_customer_low"]
    assert row["null_reasons"] == "no_model"


def test_a_segments_mean_knows_the_error_its_customers_share() -> None:
    """All with one figure and one error, but where the figure is each one's own last year."""
    figures = ", ".join(
        f"4.0::double as {figure}, 3.0::double as {figure}_low, 5.0::double as {figure}_high"
        for figure in FIGURES[1:]
    )
    ends = {}
    for baseline in ("null", "'segment mean'", "'last year'"):
        with duckdb.connect() as connection:
            connection.execute(
                f"""
                create table customer_value as
                select number as customer_id, 0.0::double as last_year_amount, {figures},
                    0.5::double as probability_active, 0.4::double as probability_active_low,
                    0.6::double as probability_active_high,
                    {baseline}::varchar as transactions_baseline,
                    {baseline}::varchar as revenue_baseline
                from range(100) as customers (number);
                create table customer_segments as
                select customer_id, 'one' as segmentation, 1 as segment_id from customer_value;
                """
            )
            build(connection, SEGMENT_VALUE[:1])
            found = connection.sql("from int_segment_value_figures").df().set_index("value_figure")
        ends[baseline] = found.loc["clv", ["per_customer_low", "per_customer_high"]].tolist()
        active = found.loc["probability_active", ["per_customer_low", "per_customer_high"]]
        assert active.tolist() == pytest.approx([0.4, 0.6])
    assert ends["null"] == ends["'segment mean'"] == pytest.approx([3, 5])
    assert ends["'last year'"] == pytest.approx([4, 4])


def test_customers_who_leave_are_scored_by_the_models() -> None:
    """A bank whose customers follow BG/NBD and Gamma-Gamma, from its transactions to its marts."""
    count, since = 1_500, pd.Timestamp("2024-01-01")
    as_of, days = pd.Timestamp("2026-01-01"), 731
    rng = np.random.default_rng(3)
    joined = rng.integers(0, 600, count).astype(float)
    rate, leaves = rng.gamma(OFTEN[0], 1 / OFTEN[1], count), rng.beta(OFTEN[2], OFTEN[3], count)
    who, when = bought(rate, leaves, days + 365 - joined, rng)
    who, when = np.append(who, np.arange(count)), np.append(when, np.zeros(count))
    # Of a payment the bank earns the margin.
    amounts = rng.gamma(MUCH[0], 1, len(who)) / rng.gamma(MUCH[1], 1 / MUCH[2], count)[who]
    ids = np.array([f"C{number:05d}" for number in range(count)])
    every = pd.DataFrame(
        {
            "customer_id": ids[who],
            "transacted_on": since + pd.to_timedelta(np.floor(joined[who] + when), unit="day"),
            "transaction_type": "payment",
            "amount": amounts / MARGINS["payment"],
        }
    )
    transactions = every[every["transacted_on"] <= as_of]
    customers = pd.DataFrame(
        {"customer_id": ids, "joined_on": since + pd.to_timedelta(joined, unit="day")}
    )
    connection = duckdb.connect()
    connection.register("customers_frame", customers)
    connection.register("transactions_frame", transactions)
    tables(connection, "from customers_frame", "from transactions_frame")
    histories = connection.sql("from int_customer_purchases").df()
    trials = connection.sql("from int_customer_purchase_trials").df()
    (period,) = connection.sql("from int_purchase_period").df().to_dict("records")
    segments = pd.DataFrame({"customer_id": ids, "segment_id": np.arange(count) % 2 + 1})
    cards = value_scorecards(
        trials.merge(segments),
        last_year_days=period["trained_last_year_days"],
        held_out_days=period["held_out_days"],
        random_seed=1,
        confidence_level=0.95,
    )
    draws = fit_value_models(histories, random_seed=1, largest_correlation=0.3)
    scores = score_customers(
        histories.merge(segments),
        draws,
        cards,
        last_year_days=period["last_year_days"],
        clv_horizon_days=VARS["clv_horizon_days"],
        clv_discount_rate=VARS["clv_discount_rate"],
        confidence_level=0.95,
    )
    connection.register("customer_value_draws", draws)
    connection.register("customer_value_scores", scores)
    connection.register("customer_segments", segments.assign(segmentation="one"))
    connection.execute(
        "create table segments as select distinct segmentation, segment_id, 'S' as segment_name "
        "from customer_segments"
    )
    build(
        connection,
        [
            MODELS / "evidence" / "value" / "customer_value_fits.sql",
            MODELS / "customers" / "customer_value.sql",
            *SEGMENT_VALUE,
        ],
    )
    assert not cards["use_baseline"].any()
    fits = connection.sql("from customer_value_fits").df().set_index("parameter")
    assert (fits["fit_status"] == "converged").all() and (fits["draw_count"] > 90).all()
    truth = pd.Series([*OFTEN, *MUCH], [*value.BG_NBD, *value.GAMMA_GAMMA])
    # Purchases of one day are one, so a little is lost at high rates.
    assert np.log(fits["estimate"] / truth).abs().max() < 0.35
    found = connection.sql("from customer_value").df().set_index("customer_id")
    assert (found["basis"] == "model").all()
    later = every[(every["transacted_on"] > as_of)]
    came = later.drop_duplicates(["customer_id", "transacted_on"]).shape[0]
    low, high = (found[f"expected_transactions_365{end}"].sum() for end in ("_low", "_high"))
    assert low - 3 * np.sqrt(came) < came < high + 3 * np.sqrt(came)
    left = when + joined[who] <= days
    last = pd.Series(when[left] + joined[who][left]).groupby(ids[who][left]).max()
    assert found["probability_active"].corr(last, method="spearman") > 0.2
    mart = connection.sql("from segment_value").df()
    assert mart["null_reasons"].isna().all()
    assert (mart["modelled_customer_count"] == mart["customer_count"]).all()
    assert (mart["mean_probability_active_low"] < mart["mean_probability_active"]).all()
    assert (mart["mean_probability_active"] < mart["mean_probability_active_high"]).all()


def test_a_type_without_a_margin_is_named() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table margins (transaction_type varchar, margin_rate double)")
        build(connection, HISTORIES[:1])
        problems = connection.sql("select min(row_problem) from int_purchase_margins").fetchall()
    assert problems == [
        (
            "transaction_type payment: it has no margin_rate and is one of "
            "purchase_transaction_types; give it one",
        )
    ]
