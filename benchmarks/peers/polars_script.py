"""The same marts in polars, lazy and streaming, with scikit-learn's k-means.

python -m benchmarks.peers.polars_script RAW_DATA OUT
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers import figures
from benchmarks.peers.common import (
    ADULT_AGE,
    FEATURES,
    OLDEST_AGE,
    OPENABLE,
    ORDINARY_DAY_SHARE,
    WINDOW_DAYS,
    Clock,
    Task,
    placed,
)

CENTS = 100
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

    as_of: date
    customers: Any
    holdings: Any
    engagements: Any
    sessions: Any
    transactions: Any
    counts: Any

    @property
    def window(self) -> date:
        """The day after which the trailing window begins."""
        return self.as_of - timedelta(days=WINDOW_DAYS)


@dataclass(frozen=True)
class Described:
    """Each source at customer grain, and the features."""

    types: Any
    months: Any
    touchpoints: Any
    products: Any
    channels: Any
    features: Any


def main() -> None:
    """Clean, describe, group, and write every mart."""
    task, clock = Task.from_arguments(__doc__), Clock()
    with clock.stage("clean") as stage:
        rows = clean(task)
        stage["rows"] = int(rows.counts["received_count"].sum())
    with clock.stage("features") as stage:
        described = describe(rows)
        stage["rows"] = rows.transactions.height
    with clock.stage("fit and assign") as stage:
        features = described.features
        values = {name: features[name].cast(pl.Float64).to_numpy() for name in FEATURES}
        members = pl.DataFrame({"customer": features["customer"], **placed(task, values)})
        stage["rows"] = members.height
    with clock.stage("marts") as stage:
        write_marts(task, rows, described, members)
        stage["rows"] = rows.transactions.height
    clock.write(task.out)


def clean(task: Task) -> Clean:
    """The rules of the raw contract, then the last delivery of each key."""

    def scan(entity: str) -> Any:
        return pl.scan_parquet(task.parts(entity), row_index_name="row")

    def code(name: str) -> Any:
        return pl.col(name).str.strip_chars().str.to_lowercase()

    def kept(name: str, condition: Any) -> Any:
        return pl.when(condition).then(pl.col(name)).alias(name)

    as_of = latest_ordinary_day(
        pl.concat(
            [
                scan("transactions").select(day=pl.col("transacted_at").dt.date()),
                scan("campaign_engagements").select(day="occurred_on"),
                scan("digital_sessions").select(day="used_on"),
            ]
        )
    )
    later = pl.when(pl.col("updated_at").dt.date() > as_of).then("updated_at")
    customers = (
        scan("customers")
        .filter(
            pl.col("customer_id").is_not_null(),
            pl.col("is_deleted").fill_null(False) | (pl.col("joined_on") <= as_of).fill_null(True),
        )
        # What was known by then; of a customer first heard of later, the first.
        .with_columns(later=later)
        .sort(
            "later",
            "updated_at",
            "row",
            descending=[False, True, True],
            nulls_last=[False, True, True],
        )
        .unique("customer_id", keep="first", maintain_order=True)
        .filter(~pl.col("is_deleted").fill_null(False))
        .select(
            "customer_id",
            "joined_on",
            cents("account_balance"),
            kept(
                "birth_year", pl.col("birth_year").is_between(as_of.year - OLDEST_AGE, as_of.year)
            ),
            *[
                pl.when(pl.col(name) >= 0).then(cents(name)).alias(name)
                for name in ("monthly_income", "loyalty_score")
            ],
        )
        .with_row_index("customer")
        .collect()
    )
    known = customers.lazy().select("customer_id", "customer")
    campaigns = (
        scan("campaigns")
        .filter(
            pl.col("campaign_id").is_not_null(),
            pl.col("starts_on") <= pl.col("ends_on"),
        )
        .unique("campaign_id")
        .select("campaign_id")
        .collect()
    )
    holdings = (
        scan("product_holdings")
        .filter(
            pl.col("holding_id").is_not_null(),
            pl.col("product").is_not_null(),
            pl.col("opened_on") <= as_of,
        )
        .join(known, on="customer_id")
        .sort("updated_at", "row", nulls_last=False)
        .unique("holding_id", keep="last", maintain_order=True)
        .select(
            "customer",
            code("product"),
            "opened_on",
            kept("closed_on", pl.col("closed_on") >= pl.col("opened_on")),
        )
        .collect()
    )
    impressions = pl.col("impressions")
    engagements = (
        scan("campaign_engagements")
        .filter(
            pl.col("engagement_id").is_not_null(),
            pl.col("channel").is_not_null(),
            pl.col("occurred_on") <= as_of,
            impressions >= 0,
            ~(pl.col("is_holdout").fill_null(False) & (impressions > 0)),
            pl.col("clicks").is_between(0, impressions).fill_null(True),
            pl.col("opens").is_between(0, impressions).fill_null(True),
        )
        .join(campaigns.lazy(), on="campaign_id", how="semi")
        .join(known, on="customer_id")
        .sort("row")
        .unique("engagement_id", keep="last")
        .select(
            "customer",
            code("channel"),
            "occurred_on",
            pl.col("is_holdout").fill_null(False),
            "impressions",
            "opens",
            "clicks",
            kept("conversions", pl.col("conversions") >= 0),
        )
        .collect(engine="streaming")
    )
    sessions = (
        scan("digital_sessions")
        .filter(
            pl.col("used_on") <= as_of,
            pl.col("touchpoint").is_not_null(),
            pl.col("session_count") >= 0,
        )
        .join(known, on="customer_id")
        .with_columns(code("touchpoint"))
        .sort("row")
        .unique(["customer", "used_on", "touchpoint"], keep="last")
        .select(
            "customer",
            "used_on",
            "touchpoint",
            "session_count",
            pl.when(pl.col("minutes") >= 0).then(cents("minutes")).alias("minutes"),
        )
        .collect(engine="streaming")
    )
    transactions = (
        scan("transactions")
        .filter(
            pl.col("transaction_id").is_not_null(),
            pl.col("transacted_at").dt.date() <= as_of,
            pl.col("transaction_type").is_not_null(),
            pl.col("amount") > 0,
        )
        .join(known, on="customer_id")
        .select(
            "row",
            "transaction_id",
            "customer",
            pl.col("transacted_at").dt.date().alias("transacted_on"),
            code("transaction_type").cast(pl.Categorical),
            cents("amount"),
        )
        .sort("row")
        .unique("transaction_id", keep="last")
        .drop("row", "transaction_id")
        .collect(engine="streaming")
    )
    accepted = {
        "customers": customers,
        "campaigns": campaigns,
        "product_holdings": holdings,
        "campaign_engagements": engagements,
        "transactions": transactions,
        "digital_sessions": sessions,
    }
    counts = pl.DataFrame(
        {
            "entity": list(accepted),
            "received_count": [
                pl.scan_parquet(task.parts(entity)).select(pl.len()).collect().item()
                for entity in accepted
            ],
            "accepted_count": [frame.height for frame in accepted.values()],
        }
    )
    return Clean(as_of, customers, holdings, engagements, sessions, transactions, counts)


def latest_ordinary_day(days: Any) -> date:
    """The last day with at least a hundredth of an average day's rows."""
    counted = days.drop_nulls().group_by("day").len().collect(engine="streaming")
    ordinary = counted.filter(pl.col("len") >= ORDINARY_DAY_SHARE * pl.col("len").mean())
    found: date = ordinary["day"].max()
    return found


def describe(rows: Clean) -> Described:
    """Each source at customer grain, then the features."""
    recent = rows.transactions.lazy().filter(pl.col("transacted_on") > rows.window)
    types = (
        recent.group_by("customer", "transaction_type")
        .agg(
            transaction_count=pl.len(),
            total_amount=pl.col("amount").sum(),
            median_amount=pl.col("amount").median() / CENTS,
        )
        .collect(engine="streaming")
        .pipe(with_whole_amounts)
    )
    months = (
        rows.transactions.lazy()
        .group_by(
            "customer",
            "transaction_type",
            pl.col("transacted_on").dt.truncate("1mo").alias("month_starts_on"),
        )
        .agg(transaction_count=pl.len(), total_amount=pl.col("amount").sum())
        .collect(engine="streaming")
        .pipe(with_whole_amounts)
    )
    touchpoints = (
        rows.sessions.lazy()
        .filter(pl.col("used_on") > rows.window)
        .group_by("customer", "touchpoint")
        .agg(pl.col("session_count").sum(), pl.col("minutes").sum())
        .filter((pl.col("session_count") > 0) | (pl.col("minutes") > 0))
        .collect()
    )
    products = (
        rows.holdings.lazy()
        .group_by("customer", "product")
        .agg(
            is_held=(pl.col("closed_on").is_null() | (pl.col("closed_on") > rows.as_of)).any(),
            is_bought=(pl.col("opened_on") > rows.window).any(),
        )
        .collect()
    )
    adults = rows.customers.lazy().filter(
        (rows.as_of.year - pl.col("birth_year") >= ADULT_AGE).fill_null(True)
    )
    is_openable = pl.col("channel").is_in(OPENABLE)
    channels = (
        rows.engagements.lazy()
        .filter(pl.col("occurred_on") > rows.window, ~pl.col("is_holdout"))
        .join(adults, on="customer", how="semi")
        .group_by("customer", "channel")
        .agg(
            impression_count=pl.col("impressions").sum(),
            openable_impression_count=pl.when(is_openable).then("impressions").otherwise(0).sum(),
            open_count=known_sum(pl.when(is_openable).then("opens")),
            click_count=known_sum(pl.col("clicks")),
            conversion_count=known_sum(pl.col("conversions")),
        )
        .filter(pl.col("impression_count") > 0)
        .collect()
    )
    days = (
        rows.transactions.lazy()
        .group_by("customer")
        .agg(
            last_transacted_on=pl.col("transacted_on").max(),
            transaction_days=pl.col("transacted_on")
            .filter(pl.col("transacted_on") > rows.window)
            .n_unique(),
        )
    )
    of_type = {kind: pl.col("transaction_type") == kind for kind in ("deposit", "withdrawal")}
    totals = (
        types.lazy()
        .group_by("customer")
        .agg(
            pl.col("transaction_count").sum(),
            *[
                pl.col(column).filter(condition).sum().alias(f"{kind}_{name}")
                for kind, condition in of_type.items()
                for column, name in (("transaction_count", "count"), ("total_amount", "amount"))
            ],
            *[
                pl.col("median_amount").filter(condition).max().alias(f"{kind}_median_amount")
                for kind, condition in of_type.items()
            ],
        )
    )
    digital = (
        touchpoints.lazy()
        .group_by("customer")
        .agg(
            digital_session_count=pl.col("session_count").sum(),
            digital_minutes=pl.col("minutes").sum(),
        )
    )
    held = products.lazy().filter("is_held").group_by("customer").agg(product_count=pl.len())
    zeros = (
        "transaction_count",
        "transaction_days",
        "deposit_count",
        "deposit_amount",
        "withdrawal_count",
        "withdrawal_amount",
        "digital_session_count",
        "digital_minutes",
        "product_count",
    )
    in_cents = (
        "monthly_income",
        "account_balance",
        "loyalty_score",
        "digital_minutes",
    )
    features = rows.customers.lazy()
    for frame in (days, totals, digital, held):
        # Where k-means begins depends on the order of rows.
        features = features.join(frame, on="customer", how="left", maintain_order="left")
    features = (
        features.with_columns(pl.col(zeros).fill_null(0))
        .with_columns(pl.col(in_cents) / CENTS)
        .with_columns(
            age_years=rows.as_of.year - pl.col("birth_year"),
            tenure_days=(pl.lit(rows.as_of) - pl.col("joined_on")).dt.total_days(),
            days_since_transaction=(
                pl.lit(rows.as_of) - pl.col("last_transacted_on")
            ).dt.total_days(),
            **{
                f"{kind}_mean_amount": pl.col(f"{kind}_amount") / pl.col(f"{kind}_count")
                for kind in of_type
            },
        )
        .drop("joined_on", "birth_year", "last_transacted_on")
        .collect()
    )
    return Described(types, months, touchpoints, products, channels, features)


def with_whole_amounts(frame: Any) -> Any:
    """Totals from cents by true division.

    polars multiplies by 0.01, and what rounds otherwise ties otherwise in ranks.
    """
    return frame.with_columns(total_amount=pl.Series(frame["total_amount"].to_numpy() / CENTS))


def known_sum(column: Any) -> Any:
    """A sum that is null, not zero, where every value is."""
    return pl.when(column.count() > 0).then(column.sum())


def write_marts(task: Task, rows: Clean, described: Described, members: Any) -> None:
    """Sums by segment, rates and intervals of them, a file a mart."""

    def write(mart: str, frame: Any) -> None:
        frame.write_parquet(task.out / f"{mart}.parquet")

    def finish(mart: str, frame: Any, keys: Sequence[str], figures_of: Callable[..., Any]) -> None:
        numbers = {name: frame[name].to_numpy() for name in frame.columns if name not in keys}
        finished = figures_of(numbers)
        write(
            mart, frame.select(pl.col(keys)).hstack([pl.Series(*each) for each in finished.items()])
        )

    write("cleaning", rows.counts)
    write("customer_features", described.features.drop("customer"))
    ids = rows.customers.select("customer", "customer_id")
    write("segment_members", members.join(ids, on="customer").drop("customer"))
    segment_of = members.lazy().select("customer", "segment_id")
    sizes = (
        segment_of.group_by("segment_id")
        .len("entity_count")
        .with_columns(segment_share=pl.col("entity_count") / pl.col("entity_count").sum())
    )
    write("segments", sizes.collect())
    cells = sizes.select("segment_id", customer_count="entity_count")

    finish(
        "segment_profiles",
        profile_sums(described.features.lazy(), segment_of).collect(),
        ["segment_id", "feature"],
        figures.profiles,
    )
    channels = described.channels.lazy().join(segment_of, on="customer")
    finish(
        "segment_channel_engagement",
        engagement_sums(
            cells.join(channels.select("channel").unique(), how="cross"),
            channels,
            ["segment_id", "channel"],
        ),
        ["segment_id", "channel"],
        figures.engagement,
    )
    finish(
        "segment_engagement",
        engagement_sums(
            cells,
            channels.group_by("customer", "segment_id").agg(
                known_sum(pl.col(name)) for name in COUNTS
            ),
            ["segment_id"],
        ),
        ["segment_id"],
        figures.engagement,
    )
    products = described.products.lazy().join(segment_of, on="customer")
    finish(
        "segment_product_ownership",
        ownership_sums(
            cells.join(products.select("product").unique(), how="cross"),
            products,
            ["segment_id", "product"],
        ),
        ["segment_id", "product"],
        figures.ownership,
    )
    finish(
        "segment_ownership",
        ownership_sums(
            cells,
            products.group_by("customer", "segment_id").agg(pl.col("is_held", "is_bought").any()),
            ["segment_id"],
        ),
        ["segment_id"],
        figures.ownership,
    )
    touchpoints = described.touchpoints.lazy().join(segment_of, on="customer")
    finish(
        "segment_digital_usage",
        usage_sums(cells, touchpoints),
        ["segment_id", "touchpoint"],
        figures.usage,
    )
    keys = ["segment_id", "transaction_type"]
    types = described.types.lazy().join(segment_of, on="customer")
    recent = rows.transactions.lazy().filter(pl.col("transacted_on") > rows.window)
    finish(
        "segment_transactions",
        transaction_sums(
            cells.join(types.select("transaction_type").unique(), how="cross"),
            types,
            recent.join(segment_of, on="customer"),
            keys,
        ),
        keys,
        figures.transactions,
    )
    month_keys = [*keys, "month_starts_on"]
    months = described.months.lazy().join(segment_of, on="customer")
    month = pl.col("transacted_on").dt.truncate("1mo")
    finish(
        "segment_month_transactions",
        transaction_sums(
            month_cells(rows.customers.lazy(), segment_of, months),
            months,
            rows.transactions.lazy()
            .join(segment_of, on="customer")
            .with_columns(month_starts_on=month),
            month_keys,
        ),
        month_keys,
        figures.transactions,
    )


def profile_sums(features: Any, segment_of: Any) -> Any:
    """Each feature's sums and quartiles by segment, beside the population's."""
    value = pl.col("feature_value")
    long = (
        features.join(segment_of, on="customer")
        .select("segment_id", pl.col(list(FEATURES)).cast(pl.Float64))
        .unpivot(index="segment_id", variable_name="feature", value_name="feature_value")
    )
    population = long.group_by("feature").agg(
        population_mean=value.mean(), population_deviation=value.std()
    )
    return (
        long.group_by("segment_id", "feature")
        .agg(
            entity_count=pl.len(),
            value_count=value.count(),
            value_sum=value.sum(),
            values_squared=(value**2).sum(),
            values_cubed=(value**3).sum(),
            p25_value=value.quantile(0.25, "linear"),
            median_value=value.median(),
            p75_value=value.quantile(0.75, "linear"),
        )
        .join(population, on="feature")
    )


def engagement_sums(cells: Any, customers: Any, keys: list[str]) -> Any:
    """Sums over reached customers; cells that nobody was reached in have zeros."""
    short = {
        "clicks": pl.col("click_count").cast(pl.Float64),
        "impressions": pl.col("impression_count").cast(pl.Float64),
        "opens": pl.col("open_count").cast(pl.Float64),
        "openable_impressions": pl.col("openable_impression_count").cast(pl.Float64),
    }
    ctr = short["clicks"] / short["impressions"]
    sums = {"customer_ctr_sum": ctr}
    for power, name in ((2, "squared"), (3, "cubed")):
        sums[f"customer_ctr_{name}"] = ctr**power
        sums |= {f"{stem}_{name}": column**power for stem, column in short.items()}
    for y, x in (("clicks", "impressions"), ("opens", "openable_impressions")):
        sums[f"{y}_times_{x}"] = short[y] * short[x]
        sums[f"{y}_squared_times_{x}"] = short[y] ** 2 * short[x]
        sums[f"{y}_times_{x}_squared"] = short[y] * short[x] ** 2
    summed = customers.group_by(keys).agg(
        reached_customer_count=pl.len(),
        openable_customer_count=(pl.col("openable_impression_count") > 0).sum(),
        converted_customer_count=(pl.col("conversion_count") > 0).sum(),
        **{name: known_sum(pl.col(name)).cast(pl.Float64) for name in COUNTS},
        **{name: known_sum(column) for name, column in sums.items()},
    )
    return (
        cells.join(summed, on=keys, how="left")
        .with_columns(
            pl.when(pl.col("reached_customer_count").is_null())
            .then(0)
            .otherwise(pl.exclude(*keys, "customer_count"))
            .name.keep()
        )
        .collect()
    )


def ownership_sums(cells: Any, customers: Any, keys: list[str]) -> Any:
    """Customers who hold and who bought."""
    counted = customers.group_by(keys).agg(
        holder_count=pl.col("is_held").sum(), buyer_count=pl.col("is_bought").sum()
    )
    return (
        cells.join(counted, on=keys, how="left")
        .with_columns(pl.col("holder_count", "buyer_count").fill_null(0))
        .collect()
    )


def usage_sums(cells: Any, customers: Any) -> Any:
    """Users, sessions and minutes by segment and touchpoint."""
    keys = ["segment_id", "touchpoint"]
    sessions = pl.col("session_count").cast(pl.Float64)
    minutes = pl.col("minutes") / CENTS
    summed = customers.group_by(keys).agg(
        user_count=pl.len(),
        session_count=pl.col("session_count").sum(),
        minutes=pl.col("minutes").sum() / CENTS,
        sessions_squared=(sessions**2).sum(),
        sessions_cubed=(sessions**3).sum(),
        minutes_squared=(minutes**2).sum(),
        minutes_cubed=(minutes**3).sum(),
    )
    touchpoints = customers.select("touchpoint").unique()
    return (
        cells.join(touchpoints, how="cross")
        .join(summed, on=keys, how="left")
        .with_columns(pl.exclude(*keys, "customer_count").fill_null(0))
        .collect()
    )


def month_cells(customers: Any, segment_of: Any, months: Any) -> Any:
    """Customers by segment, type and month: joined by its end, or with an earlier transaction."""
    keys = ["segment_id", "month_starts_on"]
    calendar = months.select("month_starts_on").unique()
    joining = (
        customers.join(segment_of, on="customer")
        .group_by("segment_id", pl.col("joined_on").dt.truncate("1mo").alias("joined_month"))
        .len("joined_count")
    )
    joined = (
        joining.join(calendar, how="cross")
        .filter((pl.col("joined_month") <= pl.col("month_starts_on")).fill_null(True))
        .group_by(keys)
        .agg(pl.col("joined_count").sum())
    )
    early = (
        months.join(customers.select("customer", "joined_on"), on="customer")
        .filter(pl.col("joined_on") >= pl.col("month_starts_on").dt.offset_by("1mo"))
        .group_by(keys)
        .agg(early_count=pl.col("customer").n_unique())
    )
    types = months.select("transaction_type").unique()
    return (
        joined.join(early, on=keys, how="left")
        .select(*keys, customer_count=pl.col("joined_count") + pl.col("early_count").fill_null(0))
        .join(types, how="cross")
    )


def transaction_sums(cells: Any, customers: Any, transactions: Any, keys: list[str]) -> Any:
    """Sums, quartiles and rank correlations over customers and over transactions, by `keys`.

    Customers without a transaction are zeros ahead of the amounts in order.
    """
    number, amount = pl.col("transaction_count").cast(pl.Float64), pl.col("total_amount")
    ranked = number.rank()
    active = customers.group_by(keys).agg(
        active_customer_count=pl.len(),
        transaction_count=pl.col("transaction_count").sum().cast(pl.Float64),
        total_amount=pl.col("total_amount").sum(),
        counts_squared=(number**2).sum(),
        counts_cubed=(number**3).sum(),
        amounts_squared=(amount**2).sum(),
        amounts_cubed=(amount**3).sum(),
        amounts_times_counts=(amount * number).sum(),
        amounts_squared_times_counts=(amount**2 * number).sum(),
        amounts_times_counts_squared=(amount * number**2).sum(),
        amounts=amount.sort(),
        count_total_rank_correlation=pl.corr(ranked, amount.rank()),
        count_mean_rank_correlation=pl.corr(ranked, (amount / number).rank()),
    )
    each = pl.col("amount") / CENTS
    single = transactions.group_by(keys).agg(
        transaction_amounts_squared=(each**2).sum(),
        amount_per_transaction_p25=each.quantile(0.25, "linear"),
        amount_per_transaction_median=each.median(),
        amount_per_transaction_p75=each.quantile(0.75, "linear"),
    )
    summed = (
        "active_customer_count",
        "transaction_count",
        "total_amount",
        "counts_squared",
        "counts_cubed",
        "amounts_squared",
        "amounts_cubed",
        "amounts_times_counts",
        "amounts_squared_times_counts",
        "amounts_times_counts_squared",
    )
    nobody = pl.col("customer_count") - pl.col("active_customer_count")
    quartiles = {
        f"amount_per_{name}_{label}": quantile_after_zeros(share, zeros)
        for name, zeros in (("customer", nobody), ("active_customer", pl.lit(0)))
        for label, share in (("p25", 0.25), ("median", 0.5), ("p75", 0.75))
    }
    return (
        cells.join(active, on=keys, how="left")
        .join(single, on=keys, how="left")
        .with_columns(pl.col(summed).fill_null(0))
        .with_columns(
            pl.col("customer_count", "active_customer_count").cast(pl.Int64),
        )
        .with_columns(**quartiles)
        .drop("amounts")
        .with_columns(pl.col("transaction_type").cast(pl.String))
        .collect()
    )


def quantile_after_zeros(share: float, zeros: Any) -> Any:
    """A quantile of the list `amounts`, ascending, behind so many zeros; null of nothing."""
    place = (pl.col("active_customer_count") + zeros - 1) * share

    def value(at: Any) -> Any:
        index = (at - zeros).cast(pl.Int64)
        found = pl.col("amounts").list.get(index.clip(0), null_on_oob=True)
        return pl.when(index < 0).then(0.0).otherwise(found)

    low, high = value(place.floor()), value(place.ceil())
    # Of nobody there is no quantile.
    return pl.when(pl.col("active_customer_count") + zeros > 0).then(
        low + (place - place.floor()) * (high - low)
    )


def cents(name: str) -> Any:
    """A decimal column in whole hundredths, whose sums are exact."""
    return (pl.col(name).cast(pl.Float64) * CENTS).round().cast(pl.Int64)


if __name__ == "__main__":
    main()
