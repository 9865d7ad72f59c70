"""The demo data holds what its truth file says, and every run of the generator gives it again.

The figures are computed here from the files with pandas and scikit-learn alone, so that neither
the warehouse nor the generator marks its own work.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from benchmarks import planted
from benchmarks.generate import Block, blocks, generate, main
from benchmarks.world import Config

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "seeds"
TRUTH = ROOT / "benchmarks" / "demo_truth.json"
ENTITIES = (
    "customers",
    "product_holdings",
    "card_accounts",
    "campaigns",
    "campaign_engagements",
    "transactions",
    "digital_sessions",
    "customer_attributes",
    "given_segments",
)
FIRST_DAY = pd.Timestamp(planted.RECENT, unit="D")
LAST_DAY = pd.Timestamp(planted.AS_OF, unit="D")


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TRUTH.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def raw() -> dict[str, pd.DataFrame]:
    """Every seed as text, exactly as it is handed in."""
    return {
        entity: pd.read_csv(SEEDS / f"raw_{entity}.csv", dtype=str, keep_default_na=False)
        for entity in ENTITIES
    }


@pytest.fixture(scope="module")
def good(raw: dict[str, pd.DataFrame], truth: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """The accepted rows, typed, by leaving out what the truth calls broken or superseded."""
    tables = {}
    for entity, table in raw.items():
        dropped: set[int] = set()
        for kind in truth["dirt"].get(entity, {}).values():
            if kind["expected"] in ("broken", "superseded"):
                dropped.update(row - 1 for row in kind["rows"])
        kept = table.drop(index=sorted(dropped)).apply(lambda column: column.str.strip())
        for column in ("product", "channel", "transaction_type", "touchpoint"):
            if column in kept:
                kept[column] = kept[column].str.lower()
        tables[entity] = kept.reset_index(drop=True)
    return tables


def number(column: pd.Series) -> pd.Series:
    """Plain decimals; anything else, such as infinity, is null."""
    plain = column.where(column.str.fullmatch(r"-?\d+(\.\d+)?"))
    return pd.to_numeric(plain)


def day(column: pd.Series) -> pd.Series:
    """The date a text starts with."""
    return pd.to_datetime(column.str[:10], format="%Y-%m-%d", errors="coerce")


def standardised(features: pd.DataFrame) -> NDArray[np.float64]:
    """Transformed and standardised features, shape (customers, 8); nulls take the median."""
    filled = features.fillna(features.median())
    for column in filled.columns:
        if column == "account_balance":
            filled[column] = np.arcsinh(filled[column])
        elif column not in ("loyalty_score", "product_count"):
            filled[column] = np.log1p(filled[column])
    return ((filled - filled.mean()) / filled.std(ddof=0)).to_numpy()


def features_of_files(good: dict[str, pd.DataFrame]) -> NDArray[np.float64]:
    """The eight behaviour features of every customer, in id order."""
    customers = good["customers"].set_index("customer_id").sort_index()
    income = number(customers["monthly_income"])
    features = pd.DataFrame(
        {
            "monthly_income": income.where(income >= 0),
            "account_balance": number(customers["account_balance"]),
            "loyalty_score": number(customers["loyalty_score"]).where(lambda score: score >= 0),
        }
    )
    moves = good["transactions"]
    moves = moves[day(moves["transacted_at"]) >= FIRST_DAY].assign(
        amount=lambda table: number(table["amount"])
    )
    features["transaction_count"] = moves.groupby("customer_id").size()
    for kind in ("deposit", "withdrawal"):
        own = moves[moves["transaction_type"] == kind]
        features[f"{kind}_amount"] = own.groupby("customer_id")["amount"].sum()
    sessions = good["digital_sessions"]
    sessions = sessions[day(sessions["used_on"]) >= FIRST_DAY]
    features["digital_session_count"] = (
        number(sessions["session_count"]).groupby(sessions["customer_id"]).sum()
    )
    holdings = good["product_holdings"]
    closed = day(holdings["closed_on"])
    held = holdings[closed.isna() | (closed < day(holdings["opened_on"]))]
    features["product_count"] = held.groupby("customer_id").size()
    counts = list(features.columns[3:])
    features[counts] = features[counts].fillna(0)
    return standardised(features)


def features_of_block(block: Block) -> NDArray[np.float64]:
    """The same features from the generator's arrays, for seeds that are not written as files."""
    first = block.people.number[0]
    size = len(block.people.number)

    def total(table: str, chosen: NDArray[np.bool_], column: str | None = None) -> Any:
        owner = block.tables[table]["customer_id"].values[chosen] - first
        weights = None if column is None else block.tables[table][column].values[chosen]
        return np.bincount(owner, weights, minlength=size)

    customers = block.tables["customers"]
    last = np.zeros(size, dtype=int)
    last[customers["customer_id"].values - first] = np.arange(len(customers["updated_at"].values))
    moves = block.tables["transactions"]
    recent = moves["transacted_at"].values // 86_400 >= planted.RECENT
    kind = moves["transaction_type"].values
    sessions = block.tables["digital_sessions"]
    features = {
        "monthly_income": customers["monthly_income"].values[last] / 100,
        "account_balance": customers["account_balance"].values[last] / 100,
        "loyalty_score": customers["loyalty_score"].values[last] / 10,
        "transaction_count": total("transactions", recent),
        "deposit_amount": total("transactions", recent & (kind == 0), "amount") / 100,
        "withdrawal_amount": total("transactions", recent & (kind == 1), "amount") / 100,
        "digital_session_count": total(
            "digital_sessions", sessions["used_on"].values >= planted.RECENT, "session_count"
        ),
        "product_count": total(
            "product_holdings", block.tables["product_holdings"]["closed_on"].nulls()
        ),
    }
    return standardised(pd.DataFrame(features))


def clusters(points: NDArray[np.float64], random_state: int, starts: int = 10) -> Any:
    # On few rows more threads only wait for one another, above all on a busy machine.
    with threadpool_limits(1):
        return KMeans(4, n_init=starts, random_state=random_state).fit_predict(points)


def assert_groups_are_found(
    points: NDArray[np.float64], group: NDArray[np.int64], random_states: int
) -> None:
    found = [clusters(points, random_state) for random_state in range(random_states)]
    for left, right in itertools.combinations(found, 2):
        assert adjusted_rand_score(left, right) >= 0.99
    for labels in found:
        assert 0.90 <= adjusted_rand_score(group, labels) <= 0.99
    for column in range(points.shape[1]):
        alone = clusters(points[:, [column]], 0, starts=3)
        assert adjusted_rand_score(group, alone) < 0.75


def groups_of(truth: dict[str, Any]) -> NDArray[np.int64]:
    return np.array([int(digit) for digit in truth["groups"]["of_customers"]])


def owner_group(table: pd.DataFrame, truth: dict[str, Any]) -> NDArray[np.int64]:
    return groups_of(truth)[table["customer_id"].str[1:].astype(int).to_numpy() - 1]


def test_regenerating_gives_the_committed_bytes(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--prefix", "raw_", "--truth", str(tmp_path / "truth.json")])
    for entity in ENTITIES:
        name = f"raw_{entity}.csv"
        assert (tmp_path / name).read_bytes() == (SEEDS / name).read_bytes(), name
    assert (tmp_path / "truth.json").read_bytes() == TRUTH.read_bytes()


def test_seeds_and_truth_are_small() -> None:
    sizes = [(SEEDS / f"raw_{entity}.csv").stat().st_size for entity in ENTITIES]
    assert sum(sizes) < 8_000_000
    assert TRUTH.stat().st_size < 400_000


def test_files_have_only_plain_newlines_and_the_rows_of_the_truth(
    raw: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    for entity in ENTITIES:
        content = (SEEDS / f"raw_{entity}.csv").read_bytes()
        assert b"\r" not in content and content.endswith(b"\n")
        assert len(raw[entity]) == truth["rows"][entity]


def test_accepted_rows_have_unique_keys_and_known_customers(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    keys = {
        "customers": ["customer_id"],
        "product_holdings": ["holding_id"],
        "card_accounts": ["cust_id"],
        "campaigns": ["campaign_id"],
        "campaign_engagements": ["engagement_id"],
        "transactions": ["transaction_id"],
        "digital_sessions": ["customer_id", "used_on", "touchpoint"],
        "customer_attributes": ["customer_id", "attribute"],
    }
    known = set(good["customers"]["customer_id"])
    assert len(known) == len(truth["groups"]["of_customers"])
    for entity, key in keys.items():
        assert not good[entity].duplicated(key).any(), entity
        if "customer_id" in good[entity]:
            assert set(good[entity]["customer_id"]) <= known, entity
    engagements = good["campaign_engagements"]
    per_day = ["campaign_id", "customer_id", "channel", "occurred_on"]
    assert not engagements.duplicated(per_day).any()
    assert set(engagements["campaign_id"]) == set(good["campaigns"]["campaign_id"])


def test_every_last_day_is_an_ordinary_day(good: dict[str, pd.DataFrame]) -> None:
    days = pd.concat(
        [
            day(good["transactions"]["transacted_at"]),
            day(good["digital_sessions"]["used_on"]),
            day(good["campaign_engagements"]["occurred_on"]),
        ]
    )
    per_day = days.value_counts()
    assert per_day.index.max() == LAST_DAY
    assert per_day.index.min() == pd.Timestamp(planted.START, unit="D")
    last = per_day.reindex(pd.date_range(end=LAST_DAY, periods=30), fill_value=0)
    assert last.min() > 0.5 * per_day.mean()


def test_no_dirty_day_looks_like_the_end_of_the_data(raw: dict[str, pd.DataFrame]) -> None:
    days = pd.concat(
        [
            day(raw["transactions"]["transacted_at"]),
            day(raw["digital_sessions"]["used_on"]),
            day(raw["campaign_engagements"]["occurred_on"]),
        ]
    )
    per_day = days.value_counts()
    late = per_day[per_day.index > LAST_DAY]
    assert len(late) > 100 and set(late.index.year) == {2062}
    average = per_day.sum() / (planted.AS_OF - planted.START + 1)
    assert late.max() < 0.01 * average


def test_behaviour_groups_are_found_in_the_files(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    assert_groups_are_found(features_of_files(good), groups_of(truth), 10)


def test_behaviour_groups_are_found_on_other_seeds() -> None:
    for seed in range(1, 6):
        block = next(blocks(Config(seed=seed)))
        assert_groups_are_found(features_of_block(block), block.people.group, 3)


def test_group_directions_are_the_personas(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    points = features_of_files(good)
    group = groups_of(truth)
    mean = np.array([points[group == number].mean(axis=0) for number in range(4)])
    # Power users, frequent users, inactives, occasionals; 0 says that the mean is near the middle
    # and 9 that nothing is claimed.
    directions = [
        [1, 1, 1, 1, 1, 1, 1, 1],
        [-1, -1, 1, 1, 0, 0, 1, 0],
        [1, 1, -1, -1, 1, -1, -1, 9],
        [-1, -1, -1, -1, -1, -1, -1, -1],
    ]
    for (row, column), sign in np.ndenumerate(np.array(directions)):
        if sign == 0:
            assert abs(mean[row, column]) < 0.4
        elif sign != 9:
            assert sign * mean[row, column] > 0.15
    moves = good["transactions"]
    amount = number(moves["amount"]).groupby([owner_group(moves, truth), moves["transaction_type"]])
    totals, typical = amount.sum().unstack(), amount.median().unstack()
    assert totals.loc[0, "withdrawal"] > 1.5 * totals.loc[0, "deposit"]
    assert totals.loc[2, "deposit"] > 4 * totals.loc[2, "withdrawal"]
    assert typical["deposit"].idxmax() == 2


def test_planted_ctr_is_visible(good: dict[str, pd.DataFrame], truth: dict[str, Any]) -> None:
    rows = good["campaign_engagements"].assign(
        group=lambda table: owner_group(table, truth),
        impressions=lambda table: table["impressions"].astype(int),
        clicks=lambda table: table["clicks"].astype(int),
    )
    customers = rows.groupby(["group", "channel", "customer_id"])[["impressions", "clicks"]].sum()
    for (number_, channel), cell in customers.groupby(["group", "channel"]):
        expected = truth["ctr"]["planted"][planted.GROUPS[number_]][channel]
        impressions = cell["impressions"].sum()
        ctr = cell["clicks"].sum() / impressions
        residual = cell["clicks"] - ctr * cell["impressions"]
        error = np.sqrt((residual**2).sum()) / impressions
        assert abs(ctr - expected) < 3.5 * error, (number_, channel)
    for number_, cell in customers.groupby("group"):
        # Customers differ more than one rate for all of a group would let them.
        person = cell.groupby("customer_id").sum()
        impressions = person["impressions"].sum()
        ctr = person["clicks"].sum() / impressions
        residual = person["clicks"] - ctr * person["impressions"]
        error = np.sqrt((residual**2).sum()) / impressions
        assert error > 1.15 * np.sqrt(ctr * (1 - ctr) / impressions), number_
    ctr_of = customers.groupby(["channel", "group"]).sum()
    ctr_of = (ctr_of["clicks"] / ctr_of["impressions"]).unstack("group")
    assert ctr_of.loc["twitter"].max() - ctr_of.loc["twitter"].min() < 0.015
    assert (ctr_of.drop("twitter").rank(axis=1) == [2, 3, 1, 4]).all(axis=None)
    planned = truth["ctr"]["planted"]
    assert len({planned[group]["twitter"] for group in planted.GROUPS}) == 1


def test_holdouts_are_untouched_and_random(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    rows = good["campaign_engagements"]
    held = rows["is_holdout"].str.lower().isin(["true", "yes", "y", "1", "t"])
    assert (rows.loc[held, "impressions"].astype(int) == 0).all()
    assert not rows[held].duplicated(["campaign_id", "customer_id"]).any()
    both = rows.assign(held=held).groupby(["campaign_id", "customer_id"])["held"].nunique()
    assert (both == 1).all()
    person = rows.assign(held=held).drop_duplicates(["campaign_id", "customer_id"])
    for campaign in truth["campaigns"]:
        own = person[person["campaign_id"] == campaign["campaign_id"]]
        if campaign["holdout_share"] is None:
            assert not own["held"].any()
            continue
        share = campaign["holdout_share"]
        assert abs(own["held"].mean() - share) < 3.5 * np.sqrt(share * (1 - share) / len(own))
        table = pd.crosstab(owner_group(own, truth), own["held"])
        assert chi2_contingency(table).pvalue > 0.001
    held_out = [c for c in truth["campaigns"] if c["holdout_share"] is not None]
    assert sum(campaign["is_lift_zero"] for campaign in held_out) >= 2


def test_planted_lift_shows_against_the_holdout() -> None:
    """On twenty times the demo's customers, where chance is small."""
    lift = np.zeros((len(planted.CAMPAIGNS), 4))
    error = np.zeros_like(lift)
    block = next(blocks(Config(customers=50_000, transactions_per_customer=1.0)))
    people, rows = block.people, block.tables["campaign_engagements"]
    holdings = block.tables["product_holdings"]
    for index, campaign in enumerate(planted.CAMPAIGNS):
        if campaign.holdout is None:
            continue
        until = min(campaign.ends + planted.OUTCOME_DAYS, planted.AS_OF)
        opened = holdings["opened_on"].values
        bought = (holdings["product"].values == campaign.product) & (opened >= campaign.starts)
        converted = np.zeros(len(people.group), dtype=bool)
        converted[holdings["customer_id"].values[bought & (opened <= until)] - 1] = True
        arm = np.full(len(people.group), -1)
        own = rows["campaign_id"].values == index + 1
        member = rows["customer_id"].values[own] - 1
        arm[member] = rows["impressions"].values[own] > 0
        arm[member[rows["is_holdout"].values[own] == 1]] = 2
        for group in range(4):
            here = people.group == group
            reached, held = converted[here & (arm == 1)], converted[here & (arm == 2)]
            lift[index, group] = reached.mean() - held.mean()
            error[index, group] = np.sqrt(
                reached.var() / len(reached) + held.var() / len(held) + 1e-9
            )
    planned = np.array([campaign.lift for campaign in planted.CAMPAIGNS])
    tested = error > 0
    assert tested.sum() == 24
    # A second purchase of the same product inside the window is counted once: hence the slack.
    assert (np.abs(lift - planned)[tested] < 3.5 * error[tested] + 0.001).all()


def test_insurance_purchases_are_pure_noise(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    group = groups_of(truth)
    holdings = good["product_holdings"]
    recent = holdings[day(holdings["opened_on"]) >= FIRST_DAY]

    def p_value(product: str) -> float:
        own = recent[recent["product"] == product]
        bought = np.zeros(len(group), dtype=bool)
        bought[own["customer_id"].str[1:].astype(int).to_numpy() - 1] = True
        return float(chi2_contingency(pd.crosstab(group, bought)).pvalue)

    assert p_value("insurance") > 0.01
    assert p_value("credit_card") < 1e-6


def test_every_kind_of_dirt_is_where_the_truth_says(
    raw: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    seen: dict[tuple[str, str], pd.DataFrame] = {}
    for entity, kinds in truth["dirt"].items():
        for name, kind in kinds.items():
            rows = raw[entity].iloc[[row - 1 for row in kind["rows"]]]
            assert len(rows) == kind["count"] > 0, (entity, name)
            assert kind["expected"] in ("broken", "superseded", "blanked", "accepted")
            seen[entity, name] = rows
            if kind["rule"].startswith("missing_"):
                assert (rows[kind["rule"].removeprefix("missing_")] == "").all()
            if kind["rule"] == "unknown_customer":
                assert not rows["customer_id"].isin(raw["customers"]["customer_id"]).any()
            if name == "same_delivery_again" and entity != "digital_sessions":
                copies = raw[entity].apply(lambda column: column.str.strip()).duplicated(keep=False)
                assert copies.iloc[[row - 1 for row in kind["rows"]]].mean() > 0.9
            if name == "spaces_around_id":
                key = "cust_id" if entity == "card_accounts" else "customer_id"
                key = "campaign_id" if entity == "campaign_engagements" else key
                assert (rows[key] != rows[key].str.strip()).all()
    engagements = seen["campaign_engagements", "clicks_above_impressions"]
    assert (engagements["clicks"].astype(int) > engagements["impressions"].astype(int)).all()
    opened = seen["campaign_engagements", "opens_above_impressions"]
    assert (opened["opens"].astype(int) > opened["impressions"].astype(int)).all()
    held = seen["campaign_engagements", "holdout_with_impressions"]
    assert (held["is_holdout"] == "true").all() and (held["impressions"].astype(int) > 0).all()
    negative = seen["campaign_engagements", "negative_impressions"]
    assert (negative["impressions"].astype(int) < 0).all()
    assert (number(seen["transactions", "amount_not_positive"]["amount"]) <= 0).all()
    assert {"infinity", "1_000"} <= set(seen["transactions", "bad_amount"]["amount"])
    dates = set(seen["transactions", "bad_transacted_at"]["transacted_at"])
    assert dates == {"2025-13-45", "31/12/2025", ""}
    offsets = seen["transactions", "time_zone_offset"]["transacted_at"]
    assert offsets.str.endswith("Z").any() and offsets.str.endswith("+02:00").any()
    assert "12.7" in set(seen["campaign_engagements", "bad_impressions"]["impressions"])
    assert "12.7" in set(seen["digital_sessions", "bad_session_count"]["session_count"])
    assert (number(seen["customers", "negative_monthly_income"]["monthly_income"]) < 0).all()
    assert "1850" in set(seen["customers", "blanked_birth_year"]["birth_year"])
    assert {"TRUE", "Yes"} <= set(seen["customers", "odd_true"]["marketing_consent"])
    assert {"FALSE", "n", "0"} <= set(seen["customers", "odd_false"]["marketing_consent"])
    assert {"TRUE", "Yes"} <= set(seen["campaign_engagements", "odd_true"]["is_holdout"])
    assert {"n", "0"} <= set(seen["transactions", "odd_boolean"]["is_constructed"])
    channels = seen["campaign_engagements", "channel_spelling"]["channel"]
    assert not channels.isin(planted.CHANNELS).any()
    assert channels.str.strip().str.lower().isin(planted.CHANNELS).all()
    campaign = seen["campaigns", "ends_before_start"]
    assert (campaign["ends_on"] < campaign["starts_on"]).all()
    for entity in ("customers", "product_holdings", "campaign_engagements"):
        column = {"customers": "joined_on", "product_holdings": "opened_on"}
        late = seen[entity, "future_date"][column.get(entity, "occurred_on")]
        assert late.str.startswith("2062").all()


def test_the_share_of_dirt_is_about_two_in_a_hundred(truth: dict[str, Any]) -> None:
    for entity, kinds in truth["dirt"].items():
        if entity == "customer_attributes":
            continue
        rows = truth["rows"][entity]
        broken = sum(k["count"] for k in kinds.values() if k["expected"] == "broken")
        # One bad campaign among so few is already a larger share.
        assert broken / rows < (0.05 if entity == "campaigns" else 0.02), entity
        planted_dirt = sum(k["count"] for n, k in kinds.items() if n != "earlier_version")
        if entity != "campaigns":
            assert 0.015 < planted_dirt / rows < 0.03, entity


def test_some_customers_have_versions_that_rise(
    good: dict[str, pd.DataFrame], raw: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    customers = raw["customers"]
    earlier = customers.iloc[
        [row - 1 for row in truth["dirt"]["customers"]["earlier_version"]["rows"]]
    ]
    share = earlier["customer_id"].str.strip().nunique() / len(good["customers"])
    assert 0.03 < share < 0.07
    latest = good["customers"].set_index("customer_id")["updated_at"]
    own = earlier["customer_id"].str.strip()
    assert (earlier["updated_at"].to_numpy() < latest.loc[own].to_numpy()).all()
    assert (customers["updated_at"].str[:10] <= LAST_DAY.strftime("%Y-%m-%d")).all()
    deliveries = customers[customers["customer_id"].str.strip().isin(own)]
    assert (deliveries["consent_changed_at"] <= deliveries["updated_at"]).all()
    incomes = deliveries.groupby("customer_id")["monthly_income"].nunique()
    assert (incomes > 1).mean() > 0.9


def test_churned_customers_do_nothing_afterwards(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    inactive_from = pd.to_datetime(pd.Series(truth["churn"]["inactive_from"]))
    assert len(inactive_from) > 100
    for entity, column in (
        ("transactions", "transacted_at"),
        ("digital_sessions", "used_on"),
        ("campaign_engagements", "occurred_on"),
        ("product_holdings", "opened_on"),
    ):
        rows = good[entity]
        end = rows["customer_id"].map(inactive_from)
        assert not (day(rows[column]) >= end).any(), entity


def test_card_accounts_have_the_planted_groups(
    good: dict[str, pd.DataFrame], truth: dict[str, Any]
) -> None:
    accounts = good["card_accounts"].sort_values("cust_id")
    group = np.array([int(digit) for digit in truth["card_groups"]["of_accounts"]])
    names = truth["card_groups"]["names"]
    assert 1_300 < len(accounts) == len(group) < 1_700
    medians = accounts.drop(columns=["cust_id", "customer_id"]).apply(number).groupby(group)
    medians = medians.median().rename(index=dict(enumerate(names)))
    assert medians["credit_limit"].idxmax() == "VIP"
    assert medians["prc_full_payment"].idxmax() == "VIP"
    assert medians["cash_advance"].idxmax() == "High Risk"
    assert medians.loc["High Risk", "prc_full_payment"] == 0
    assert medians["balance"].idxmin() == "Low Activity"


def test_parquet_in_blocks_has_the_same_customers(tmp_path: Path) -> None:
    config = Config(
        customers=20_000,
        transactions_per_customer=5.0,
        engagements_per_customer=4.0,
        block_size=5_000,
        clean=True,
    )
    generate(config, tmp_path / "csv", "", "csv")
    generate(config, tmp_path / "parquet", "", "parquet")
    for entity in ENTITIES:
        source = tmp_path / "parquet" / entity
        if source.is_dir():
            assert len(list(source.glob("part-*.parquet"))) == 4
        pattern = f"{source}/*.parquet" if source.is_dir() else f"{source}.parquet"
        columns = "select column_name, column_type from (describe select * from '{}')"
        types = dict(duckdb.sql(columns.format(pattern)).fetchall())
        casts = ", ".join(f'"{name}"::{kind} as "{name}"' for name, kind in types.items())
        csv = f"read_csv('{tmp_path}/csv/{entity}.csv', all_varchar = true, header = true)"
        texts = f"(select {casts} from {csv})"
        files = f"(select * from '{pattern}')"
        for left, right in ((texts, files), (files, texts)):
            found = duckdb.sql(f"select count(*) from ({left} except all {right})").fetchone()
            assert found == (0,), entity
    kinds = duckdb.sql(f"describe select * from '{tmp_path}/parquet/transactions/*.parquet'")
    assert [row[1] for row in kinds.fetchall()] == [
        "VARCHAR",
        "VARCHAR",
        "TIMESTAMP",
        "VARCHAR",
        "DECIMAL(18,2)",
        "VARCHAR",
        "BOOLEAN",
    ]


def test_parquet_has_the_dirt_that_types_can_hold(tmp_path: Path) -> None:
    config = Config(customers=1_000, transactions_per_customer=5.0, block_size=500)
    found = generate(config, tmp_path, "", "parquet")
    kinds = found["dirt"]["transactions"]
    assert {"unknown_customer", "future_date", "amount_not_positive"} <= set(kinds)
    assert "bad_amount" not in kinds
    late = duckdb.sql(
        f"select count(*) from '{tmp_path}/transactions/*.parquet' where year(transacted_at) = 2062"
    )
    assert late.fetchone() == (kinds["future_date"]["count"],)
