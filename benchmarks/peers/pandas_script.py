"""The same marts in pandas, with scikit-learn's k-means.

python -m benchmarks.peers.pandas_script RAW_DATA OUT
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers import figures
from benchmarks.peers.common import (
    ADULT_AGE,
    FEATURES,
    OLDEST_AGE,
    OPENABLE,
    ORDINARY_DAY_SHARE,
    WINDOW_DAYS,
    Clock,
    Floats,
    Task,
    placed,
)

CENTS = 100
QUARTILES = {"p25": 0.25, "median": 0.5, "p75": 0.75}
COUNTS = [
    "impression_count",
    "openable_impression_count",
    "open_count",
    "click_count",
    "conversion_count",
]


@dataclass(frozen=True)
class Clean:
    """Accepted rows of each file; customers by number, amounts in whole cents."""

    as_of: pd.Timestamp
    customers: pd.DataFrame
    holdings: pd.DataFrame
    engagements: pd.DataFrame
    sessions: pd.DataFrame
    transactions: pd.DataFrame
    counts: pd.DataFrame

    @property
    def window(self) -> pd.Timestamp:
        """The day after which the trailing window begins."""
        return self.as_of - pd.Timedelta(days=WINDOW_DAYS)


@dataclass(frozen=True)
class Described:
    """Each source at customer grain, and the features."""

    types: pd.DataFrame
    months: pd.DataFrame
    touchpoints: pd.DataFrame
    products: pd.DataFrame
    channels: pd.DataFrame
    features: pd.DataFrame


def main() -> None:
    """Clean, describe, group, and write every mart."""
    task, clock = Task.from_arguments(__doc__), Clock()
    with clock.stage("clean") as stage:
        rows = clean(task)
        stage["rows"] = int(rows.counts["received_count"].sum())
    with clock.stage("features") as stage:
        described = describe(rows)
        stage["rows"] = len(rows.transactions)
    with clock.stage("fit and assign") as stage:
        features = described.features
        values = {name: features[name].to_numpy(dtype="float64") for name in FEATURES}
        members = pd.DataFrame({"customer": features["customer"], **placed(task, values)})
        stage["rows"] = len(members)
    with clock.stage("marts") as stage:
        write_marts(task, rows, described, members)
        stage["rows"] = len(rows.transactions)
    clock.write(task.out)


def clean(task: Task) -> Clean:
    """The rules of the raw contract, then the last delivery of each key."""
    raw = {
        "customers": read(
            task,
            "customers",
            "customer_id joined_on birth_year monthly_income account_balance loyalty_score"
            " updated_at is_deleted",
        ),
        "campaigns": read(task, "campaigns", "campaign_id starts_on ends_on"),
        "product_holdings": read(
            task,
            "product_holdings",
            "holding_id customer_id product opened_on closed_on updated_at",
        ),
        "campaign_engagements": read(
            task,
            "campaign_engagements",
            "engagement_id campaign_id customer_id channel occurred_on is_holdout impressions"
            " opens clicks conversions",
        ),
        "transactions": read(
            task,
            "transactions",
            "transaction_id customer_id transacted_at transaction_type amount",
        ),
        "digital_sessions": read(
            task, "digital_sessions", "customer_id used_on touchpoint session_count minutes"
        ),
    }
    received = {entity: len(frame) for entity, frame in raw.items()}
    raw["transactions"]["transacted_on"] = raw["transactions"].pop("transacted_at").dt.normalize()
    as_of = latest_ordinary_day(
        raw["transactions"]["transacted_on"],
        raw["campaign_engagements"]["occurred_on"],
        raw["digital_sessions"]["used_on"],
    )

    frame = raw.pop("customers")
    is_deleted = frame["is_deleted"].fillna(False)
    frame = frame[frame["customer_id"].notna() & (is_deleted | ~(frame["joined_on"] > as_of))]
    # What was known by then; of a customer first heard of later, the first.
    is_later = frame["updated_at"].dt.normalize() > as_of
    known = frame[~is_later].sort_values("updated_at", na_position="first", kind="stable")
    known = known.drop_duplicates("customer_id", keep="last")
    later = frame[is_later & ~frame["customer_id"].isin(known["customer_id"])]
    first_at = later.groupby("customer_id")["updated_at"].transform("min")
    later = later[later["updated_at"] == first_at].drop_duplicates("customer_id", keep="last")
    customers = pd.concat([known, later])
    customers = customers[~customers["is_deleted"].fillna(False)].reset_index(drop=True)
    is_likely = customers["birth_year"].between(as_of.year - OLDEST_AGE, as_of.year)
    customers["birth_year"] = customers["birth_year"].where(is_likely)
    for name in ("monthly_income", "loyalty_score"):
        customers[name] = customers[name].where(customers[name] >= 0)
    customers["customer"] = np.arange(len(customers), dtype="int32")
    ids = customers[["customer_id", "customer"]]

    frame = raw.pop("campaigns")
    frame = frame[frame["campaign_id"].notna() & (frame["starts_on"] <= frame["ends_on"])]
    campaigns = frame["campaign_id"].drop_duplicates()

    frame = raw.pop("product_holdings")
    frame = frame[
        frame["holding_id"].notna() & frame["product"].notna() & (frame["opened_on"] <= as_of)
    ]
    frame = frame.merge(ids, on="customer_id")
    frame = frame.sort_values("updated_at", na_position="first", kind="stable")
    holdings = frame.drop_duplicates("holding_id", keep="last").drop(
        columns=["holding_id", "customer_id", "updated_at"]
    )
    holdings["product"] = code(holdings["product"])
    is_after = holdings["closed_on"] >= holdings["opened_on"]
    holdings["closed_on"] = holdings["closed_on"].where(is_after)

    frame = raw.pop("campaign_engagements")
    frame["is_holdout"] = frame["is_holdout"].fillna(False)
    impressions = frame["impressions"]
    is_right = (
        frame["engagement_id"].notna()
        & frame["channel"].notna()
        & frame["campaign_id"].isin(campaigns)
        & (frame["occurred_on"] <= as_of)
        & (impressions >= 0)
        & ~(frame["is_holdout"] & (impressions > 0))
    )
    for name in ("clicks", "opens"):
        is_right &= frame[name].isna() | ((frame[name] >= 0) & (frame[name] <= impressions))
    frame = frame[is_right].merge(ids, on="customer_id")
    engagements = frame.drop_duplicates("engagement_id", keep="last").drop(
        columns=["engagement_id", "campaign_id", "customer_id"]
    )
    engagements["channel"] = code(engagements["channel"])
    engagements["conversions"] = engagements["conversions"].where(engagements["conversions"] >= 0)

    frame = raw.pop("digital_sessions")
    frame = frame[
        (frame["used_on"] <= as_of) & frame["touchpoint"].notna() & (frame["session_count"] >= 0)
    ]
    frame = frame.merge(ids, on="customer_id").drop(columns="customer_id")
    frame["touchpoint"] = code(frame["touchpoint"])
    sessions = frame.drop_duplicates(["customer", "used_on", "touchpoint"], keep="last")
    sessions = sessions.assign(minutes=sessions["minutes"].where(sessions["minutes"] >= 0))

    frame = raw.pop("transactions")
    frame = frame[
        frame["transaction_id"].notna()
        & frame["transaction_type"].notna()
        & (frame["transacted_on"] <= as_of)
        & (frame["amount"] > 0)
    ]
    frame = frame.merge(ids, on="customer_id").drop(columns="customer_id")
    transactions = frame.drop_duplicates("transaction_id", keep="last").drop(
        columns="transaction_id"
    )
    transactions["transaction_type"] = code(transactions["transaction_type"])
    transactions["amount"] = transactions["amount"].astype("int64")

    accepted = {
        "customers": len(customers),
        "campaigns": len(campaigns),
        "product_holdings": len(holdings),
        "campaign_engagements": len(engagements),
        "transactions": len(transactions),
        "digital_sessions": len(sessions),
    }
    counts = pd.DataFrame(
        {
            "entity": list(accepted),
            "received_count": [received[entity] for entity in accepted],
            "accepted_count": list(accepted.values()),
        }
    )
    return Clean(as_of, customers, holdings, engagements, sessions, transactions, counts)


def read(task: Task, entity: str, columns: str) -> pd.DataFrame:
    """Some columns of an entity's files: decimals as whole cents, dates as timestamps."""
    folder = task.data / entity
    path = folder if folder.is_dir() else folder.with_suffix(".parquet")
    frame = pd.read_parquet(path, columns=columns.split(), dtype_backend="pyarrow")
    for name, dtype in frame.dtypes.items():
        kind = str(dtype)
        if kind.startswith("decimal"):
            frame[name] = (frame[name].astype("float64") * CENTS).round()
        elif kind.startswith(("date", "timestamp")):
            frame[name] = frame[name].astype("datetime64[us]")
        elif kind.startswith("int"):
            whole = not frame[name].isna().any()
            frame[name] = frame[name].astype("int64" if whole else "float64")
    return frame


def code(column: pd.Series) -> pd.Series:
    """Texts of a few kinds, lower case without spaces."""
    kinds = column.astype("category")
    return kinds.map({kind: kind.strip().lower() for kind in kinds.cat.categories}).astype(
        "category"
    )


def latest_ordinary_day(*days: pd.Series) -> pd.Timestamp:
    """The last day with at least a hundredth of an average day's rows."""
    counts = pd.concat([column.value_counts() for column in days]).groupby(level=0).sum()
    ordinary = counts[counts >= ORDINARY_DAY_SHARE * counts.mean()]
    return pd.Timestamp(ordinary.index.max())


def describe(rows: Clean) -> Described:
    """Each source at customer grain, then the features."""
    transactions = rows.transactions
    recent = transactions[transactions["transacted_on"] > rows.window]
    types = (
        recent.groupby(["customer", "transaction_type"], observed=True)["amount"]
        .agg(transaction_count="size", total_amount="sum", median_amount="median")
        .reset_index()
    )
    types[["total_amount", "median_amount"]] /= CENTS
    months = (
        transactions.assign(month_starts_on=month_of(transactions["transacted_on"]))
        .groupby(["customer", "transaction_type", "month_starts_on"], observed=True)["amount"]
        .agg(transaction_count="size", total_amount="sum")
        .reset_index()
    )
    months["total_amount"] /= CENTS

    sessions = rows.sessions[rows.sessions["used_on"] > rows.window]
    touchpoints = (
        sessions.groupby(["customer", "touchpoint"], observed=True)[["session_count", "minutes"]]
        .sum()
        .reset_index()
    )
    touchpoints = touchpoints[(touchpoints["session_count"] > 0) | (touchpoints["minutes"] > 0)]
    touchpoints["minutes"] /= CENTS

    holdings = rows.holdings
    products = (
        holdings.assign(
            is_held=holdings["closed_on"].isna() | (holdings["closed_on"] > rows.as_of),
            is_bought=holdings["opened_on"] > rows.window,
        )
        .groupby(["customer", "product"], observed=True)[["is_held", "is_bought"]]
        .any()
        .reset_index()
    )

    customers = rows.customers
    minors = customers.loc[rows.as_of.year - customers["birth_year"] < ADULT_AGE, "customer"]
    sent = rows.engagements
    sent = sent[
        (sent["occurred_on"] > rows.window) & ~sent["is_holdout"] & ~sent["customer"].isin(minors)
    ]
    is_openable = sent["channel"].isin(OPENABLE)
    channels = (
        pd.DataFrame(
            {
                "customer": sent["customer"],
                "channel": sent["channel"],
                "impression_count": sent["impressions"],
                "openable_impression_count": sent["impressions"].where(is_openable, 0),
                "open_count": sent["opens"].where(is_openable),
                "click_count": sent["clicks"],
                "conversion_count": sent["conversions"],
            }
        )
        .groupby(["customer", "channel"], observed=True)
        .sum(min_count=1)
        .reset_index()
    )
    channels = channels[channels["impression_count"] > 0]

    features = customers.set_index("customer")[
        ["customer_id", "monthly_income", "account_balance", "loyalty_score"]
    ]
    features[["monthly_income", "account_balance", "loyalty_score"]] /= CENTS
    dated = customers.set_index("customer")
    features["age_years"] = rows.as_of.year - dated["birth_year"]
    features["tenure_days"] = (rows.as_of - dated["joined_on"]).dt.days
    features["transaction_count"] = types.groupby("customer")["transaction_count"].sum()
    days = recent[["customer", "transacted_on"]].drop_duplicates()
    features["transaction_days"] = days.groupby("customer").size()
    last = transactions.groupby("customer")["transacted_on"].max()
    features["days_since_transaction"] = (rows.as_of - last).dt.days
    for kind in ("deposit", "withdrawal"):
        own = types[types["transaction_type"] == kind].set_index("customer")
        features[f"{kind}_count"] = own["transaction_count"]
        features[f"{kind}_amount"] = own["total_amount"]
        features[f"{kind}_mean_amount"] = own["total_amount"] / own["transaction_count"]
        features[f"{kind}_median_amount"] = own["median_amount"]
    digital = touchpoints.groupby("customer")[["session_count", "minutes"]].sum()
    features["digital_session_count"] = digital["session_count"]
    features["digital_minutes"] = digital["minutes"]
    features["product_count"] = products[products["is_held"]].groupby("customer").size()
    zeros = [
        *(f"{name}_count" for name in ("transaction", "deposit", "withdrawal")),
        "digital_session_count",
        "product_count",
        "transaction_days",
        "deposit_amount",
        "withdrawal_amount",
        "digital_minutes",
    ]
    features[zeros] = features[zeros].fillna(0)
    return Described(types, months, touchpoints, products, channels, features.reset_index())


def write_marts(task: Task, rows: Clean, described: Described, members: pd.DataFrame) -> None:
    """Sums by segment, rates and intervals of them, a file a mart."""

    def write(mart: str, frame: pd.DataFrame) -> None:
        frame.to_parquet(task.out / f"{mart}.parquet", index=False)

    def finish(mart: str, sums: pd.DataFrame, figures_of: Callable[..., Any]) -> None:
        columns = {name: sums[name].to_numpy(dtype="float64") for name in sums}
        write(mart, pd.DataFrame(figures_of(columns), index=sums.index).reset_index())

    write("cleaning", rows.counts)
    write("customer_features", described.features.drop(columns="customer"))
    named = members.merge(rows.customers[["customer", "customer_id"]], on="customer")
    write("segment_members", named.drop(columns="customer"))
    sizes = members.groupby("segment_id").size().rename("customer_count")
    segments = pd.DataFrame({"entity_count": sizes, "segment_share": sizes / sizes.sum()})
    write("segments", segments.reset_index())
    segment_of = members[["customer", "segment_id"]]

    finish("segment_profiles", profile_sums(described.features, segment_of), figures.profiles)

    channels = described.channels.merge(segment_of, on="customer")
    finish(
        "segment_channel_engagement",
        engagement_sums(channels, ["segment_id", "channel"], sizes),
        figures.engagement,
    )
    customers = channels.groupby(["customer", "segment_id"])[COUNTS].sum(min_count=1).reset_index()
    finish(
        "segment_engagement",
        engagement_sums(customers, ["segment_id"], sizes),
        figures.engagement,
    )
    products = described.products.merge(segment_of, on="customer")
    finish(
        "segment_product_ownership",
        ownership_sums(products, ["segment_id", "product"], sizes),
        figures.ownership,
    )
    owners = products.groupby(["customer", "segment_id"])[["is_held", "is_bought"]].any()
    finish(
        "segment_ownership",
        ownership_sums(owners.reset_index(), ["segment_id"], sizes),
        figures.ownership,
    )
    touchpoints = described.touchpoints.merge(segment_of, on="customer")
    finish("segment_digital_usage", usage_sums(touchpoints, sizes), figures.usage)

    keys = ["segment_id", "transaction_type"]
    each = rows.transactions.merge(segment_of, on="customer")
    types = described.types.merge(segment_of, on="customer")
    finish(
        "segment_transactions",
        transaction_sums(
            types,
            each[each["transacted_on"] > rows.window],
            with_sizes(cells_of(types, keys, sizes), sizes)["customer_count"],
        ),
        figures.transactions,
    )
    months = described.months.merge(segment_of, on="customer")
    each["month_starts_on"] = month_of(each["transacted_on"])
    finish(
        "segment_month_transactions",
        transaction_sums(
            months, each, month_customers(months, rows.customers.merge(segment_of, on="customer"))
        ),
        figures.transactions,
    )


def cells_of(frame: pd.DataFrame, keys: Sequence[str], sizes: pd.Series) -> pd.DataFrame:
    """Every segment with every value of the other keys, as the index of an empty frame."""
    values: list[Any] = [sizes.index, *(frame[key].unique() for key in keys[1:])]
    if len(keys) == 1:
        return pd.DataFrame(index=pd.Index(sizes.index, name=keys[0]))
    return pd.DataFrame(index=pd.MultiIndex.from_product(values, names=list(keys)))


def with_sizes(frame: pd.DataFrame, sizes: pd.Series) -> pd.DataFrame:
    """The frame with its segments' customer_count."""
    segment = frame.index.get_level_values("segment_id")
    return frame.assign(customer_count=sizes.reindex(segment).to_numpy())


def profile_sums(features: pd.DataFrame, segment_of: pd.DataFrame) -> pd.DataFrame:
    """Each feature's sums and quartiles by segment, beside the population's."""
    joined = features.merge(segment_of, on="customer")
    parts = []
    for name in FEATURES:
        column = joined[name].astype("float64")
        groups = column.groupby(joined["segment_id"])
        parts.append(
            pd.DataFrame(
                {
                    "feature": name,
                    "entity_count": groups.size(),
                    "value_count": groups.count(),
                    "value_sum": groups.sum(),
                    "values_squared": (column**2).groupby(joined["segment_id"]).sum(),
                    "values_cubed": (column**3).groupby(joined["segment_id"]).sum(),
                    **{f"{label}_value": groups.quantile(q) for label, q in QUARTILES.items()},
                    "population_mean": column.mean(),
                    "population_deviation": column.std(),
                }
            )
        )
    return pd.concat(parts).set_index("feature", append=True)


def engagement_sums(customers: pd.DataFrame, keys: Sequence[str], sizes: pd.Series) -> pd.DataFrame:
    """Sums over reached customers; cells that nobody was reached in have zeros."""
    short = {
        "clicks": customers["click_count"].astype("float64"),
        "impressions": customers["impression_count"].astype("float64"),
        "opens": customers["open_count"].astype("float64"),
        "openable_impressions": customers["openable_impression_count"].astype("float64"),
    }
    ctr = short["clicks"] / short["impressions"]
    columns = {name: customers[name] for name in COUNTS} | {"customer_ctr_sum": ctr}
    for power, name in ((2, "squared"), (3, "cubed")):
        columns[f"customer_ctr_{name}"] = ctr**power
        columns |= {f"{stem}_{name}": column**power for stem, column in short.items()}
    for y, x in (("clicks", "impressions"), ("opens", "openable_impressions")):
        columns[f"{y}_times_{x}"] = short[y] * short[x]
        columns[f"{y}_squared_times_{x}"] = short[y] ** 2 * short[x]
        columns[f"{y}_times_{x}_squared"] = short[y] * short[x] ** 2
    by = [customers[key] for key in keys]
    summed = pd.DataFrame(columns).groupby(by, observed=True).sum(min_count=1)
    counted = pd.DataFrame(
        {
            "reached_customer_count": 1,
            "openable_customer_count": customers["openable_impression_count"] > 0,
            "converted_customer_count": customers["conversion_count"] > 0,
        }
    )
    counted = counted.groupby(by, observed=True).sum()
    result = cells_of(customers, keys, sizes).join(counted).join(summed)
    result[result["reached_customer_count"].isna()] = 0
    return with_sizes(result, sizes)


def ownership_sums(customers: pd.DataFrame, keys: Sequence[str], sizes: pd.Series) -> pd.DataFrame:
    """Customers who hold and who bought."""
    summed = customers.groupby(list(keys), observed=True)[["is_held", "is_bought"]].sum()
    summed.columns = pd.Index(["holder_count", "buyer_count"])
    return with_sizes(cells_of(customers, keys, sizes).join(summed).fillna(0), sizes)


def usage_sums(customers: pd.DataFrame, sizes: pd.Series) -> pd.DataFrame:
    """Users, sessions and minutes by segment and touchpoint."""
    keys = ["segment_id", "touchpoint"]
    sessions = customers["session_count"].astype("float64")
    columns = pd.DataFrame(
        {
            "user_count": 1,
            "session_count": sessions,
            "minutes": customers["minutes"],
            "sessions_squared": sessions**2,
            "sessions_cubed": sessions**3,
            "minutes_squared": customers["minutes"] ** 2,
            "minutes_cubed": customers["minutes"] ** 3,
        }
    )
    summed = columns.groupby([customers[key] for key in keys], observed=True).sum()
    return with_sizes(cells_of(customers, keys, sizes).join(summed).fillna(0), sizes)


def month_customers(months: pd.DataFrame, customers: pd.DataFrame) -> pd.Series:
    """Customers by segment, type and month: joined by its end, or with an earlier transaction."""
    joined_month = month_of(customers["joined_on"])
    seen = months[["customer", "segment_id", "month_starts_on"]].drop_duplicates()
    seen = seen.merge(customers[["customer", "joined_on"]], on="customer")
    early = seen[seen["joined_on"] >= seen["month_starts_on"] + pd.DateOffset(months=1)]
    early_counts = early.groupby(["segment_id", "month_starts_on"]).size()
    counts = {}
    for month in months["month_starts_on"].unique():
        has_joined = ~(joined_month > month)
        for segment, number in customers[has_joined].groupby("segment_id").size().items():
            total = number + early_counts.get((segment, month), 0)
            for kind in months["transaction_type"].unique():
                counts[segment, kind, month] = total
    names = ["segment_id", "transaction_type", "month_starts_on"]
    result = pd.Series(counts, name="customer_count")
    result.index.names = names
    return result


def transaction_sums(
    customers: pd.DataFrame, transactions: pd.DataFrame, cells: pd.Series
) -> pd.DataFrame:
    """Sums, quartiles and rank correlations over customers and over transactions.

    Args:
        customers: a row per customer and cell, `total_amount` in currency.
        transactions: one per transaction, `amount` in cents.
        cells: customer_count by the keys; who has no transaction is a zero.
    """
    keys = list(cells.index.names)
    number, amount = customers["transaction_count"].astype("float64"), customers["total_amount"]
    by = customers[keys]
    ranked = pd.DataFrame({"count": number, "total": amount, "mean": amount / number})
    ranks = ranked.groupby([by[key] for key in keys], observed=True).rank()
    columns = pd.DataFrame(
        {
            "active_customer_count": 1,
            "transaction_count": number,
            "total_amount": amount,
            "counts_squared": number**2,
            "counts_cubed": number**3,
            "amounts_squared": amount**2,
            "amounts_cubed": amount**3,
            "amounts_times_counts": amount * number,
            "amounts_squared_times_counts": amount**2 * number,
            "amounts_times_counts_squared": amount * number**2,
        }
    )
    summed = columns.groupby([by[key] for key in keys], observed=True).sum()
    correlations: dict[Any, dict[str, float]] = {}
    quartiles: dict[Any, dict[str, float]] = {}
    cell: Any
    for cell, rows in columns.groupby([by[key] for key in keys], observed=True).groups.items():
        own = ranks.loc[rows]
        correlations[cell] = {
            f"count_{name}_rank_correlation": own["count"].corr(own[name])
            for name in ("total", "mean")
        }
        ordered = np.sort(amount.loc[rows].to_numpy())
        zeros = int(cells[cell]) - len(ordered)
        quartiles[cell] = quartiles_after_zeros("amount_per_customer", ordered, zeros)
        quartiles[cell] |= quartiles_after_zeros("amount_per_active_customer", ordered, 0)
    each = transactions["amount"] / CENTS
    groups = each.groupby([transactions[key] for key in keys], observed=True)
    single = pd.DataFrame(
        {
            "transaction_amounts_squared": (each**2)
            .groupby([transactions[key] for key in keys], observed=True)
            .sum(),
            **{
                f"amount_per_transaction_{label}": groups.quantile(q)
                for label, q in QUARTILES.items()
            },
        }
    )
    result = cells.to_frame().join(summed)
    result = result.fillna(dict.fromkeys(summed.columns, 0))
    for found in (correlations, quartiles):
        frame = pd.DataFrame.from_dict(found, orient="index")
        frame.index = pd.MultiIndex.from_tuples(list(found), names=keys)
        result = result.join(frame)
    nobody = result["active_customer_count"] == 0
    for label in QUARTILES:
        result.loc[nobody, f"amount_per_customer_{label}"] = 0.0
    return result.join(single)


def quartiles_after_zeros(name: str, ordered: Floats, zeros: int) -> dict[str, float]:
    """Quartiles of amounts in ascending order behind so many zeros."""
    result = {}
    for label, share in QUARTILES.items():
        place = (len(ordered) + zeros - 1) * share
        low, high = (
            0.0 if at < zeros else float(ordered[at - zeros])
            for at in (int(np.floor(place)), int(np.ceil(place)))
        )
        result[f"{name}_{label}"] = low + (place - np.floor(place)) * (high - low)
    return result


def month_of(days: pd.Series) -> pd.Series:
    """The first day of each day's month."""
    first: pd.Series = days - pd.to_timedelta(days.dt.day - 1, unit="D")
    return first


if __name__ == "__main__":
    main()
