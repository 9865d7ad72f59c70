"""The floor: the same marts by DuckDB's SQL alone, each file read once, nothing tested.

    python -m benchmarks.peers.floor RAW_DATA OUT

Dates are read once more, ahead of everything, since they decide the as-of date. K-means tries its
starts on a sample, which is the least that gives the same segments.
"""

from __future__ import annotations

import tempfile
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

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

MEMORY_LIMIT = "4GB"  # as the project has it


def main() -> None:
    """Clean, describe, group, and write every mart."""
    task, clock = Task.from_arguments(__doc__), Clock()
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as db:
        db.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        db.execute(f"set temp_directory = '{spill}'")
        db.execute("set preserve_insertion_order = false")
        with clock.stage("clean") as stage:
            clean(db, task)
            counted = db.execute("select sum(received_count) from cleaning").fetchone()
            stage["rows"] = int(counted[0]) if counted else None
        with clock.stage("features") as stage:
            describe(db)
            stage["rows"] = count(db, "transactions")
        with clock.stage("fit and assign") as stage:
            stage["rows"] = group(db, task)
        with clock.stage("marts") as stage:
            write_marts(db, task)
            stage["rows"] = count(db, "transactions")
    clock.write(task.out)


def clean(db: duckdb.DuckDBPyConnection, task: Task) -> None:
    """Accepted rows of each file: the rules, then the last delivery of each key."""

    def files(entity: str) -> str:
        return (
            f"read_parquet('{task.parts(entity)}', filename = true, file_row_number = true,"
            " hive_partitioning = false)"
        )

    last = "updated_at desc nulls last, filename desc, file_row_number desc"
    db.execute(f"""
        create table as_of as
        with days as (
            select transacted_at::date as day from '{task.parts("transactions")}'
            union all select occurred_on from '{task.parts("campaign_engagements")}'
            union all select used_on from '{task.parts("digital_sessions")}'
        ),
        counted as (select day, count(*) as n from days where day is not null group by day)
        select max(day) as as_of_on, max(day) - {WINDOW_DAYS} as window_starts_after
        from counted where n >= {ORDINARY_DAY_SHARE} * (select avg(n) from counted)
    """)
    as_of, window = db.execute("from as_of").fetchall()[0]
    db.execute(f"set variable as_of = date '{as_of}'; set variable window_start = date '{window}'")

    db.execute(f"""
        create table customers as
        select
            row_number() over ()::int as customer,
            customer_id, joined_on, monthly_income, account_balance, loyalty_score, birth_year
        from (
            select
                customer_id,
                joined_on,
                is_deleted,
                case when monthly_income >= 0 then monthly_income end as monthly_income,
                account_balance,
                case when loyalty_score >= 0 then loyalty_score end as loyalty_score,
                case
                    when birth_year between year({AS_OF}) - {OLDEST_AGE} and year({AS_OF})
                        then birth_year
                end as birth_year
            from {files("customers")}
            where customer_id is not null
                and (is_deleted is true or joined_on is null or joined_on <= {AS_OF})
            -- What was known by then; of a customer first heard of later, the first.
            qualify row_number() over (
                partition by customer_id
                order by
                    case when updated_at::date > {AS_OF} then updated_at end nulls first, {last}
            ) = 1
        )
        where is_deleted is not true
    """)
    db.execute(f"""
        create table campaigns as
        select campaign_id
        from {files("campaigns")}
        where campaign_id is not null and starts_on <= ends_on
        qualify row_number() over (partition by campaign_id order by {last}) = 1
    """)
    db.execute(f"""
        create table holdings as
        select
            customer,
            lower(trim(product)) as product,
            opened_on,
            case when closed_on >= opened_on then closed_on end as closed_on
        from {files("product_holdings")}
        join customers using (customer_id)
        where holding_id is not null and product is not null and opened_on <= {AS_OF}
        qualify row_number() over (partition by holding_id order by {last}) = 1
    """)
    keep_last(
        db,
        "engagements",
        "engagement_id",
        f"""
        select
            engagement_id,
            customer,
            lower(trim(channel)) as channel,
            impressions,
            opens,
            clicks,
            case when conversions >= 0 then conversions end as conversions,
            is_holdout is true as is_holdout,
            occurred_on,
            filename,
            file_row_number
        from {files("campaign_engagements")}
        join campaigns using (campaign_id)
        join customers using (customer_id)
        where engagement_id is not null
            and channel is not null
            and occurred_on <= {AS_OF}
            and impressions >= 0
            and not (is_holdout is true and impressions > 0)
            and coalesce(clicks between 0 and impressions, true)
            and coalesce(opens between 0 and impressions, true)
        """,
    )
    keep_last(
        db,
        "sessions",
        "customer, used_on, touchpoint",
        f"""
        select
            customer,
            used_on,
            lower(trim(touchpoint)) as touchpoint,
            session_count,
            case when minutes >= 0 then minutes::decimal(18, 2) end as minutes,
            filename,
            file_row_number
        from {files("digital_sessions")}
        join customers using (customer_id)
        where used_on <= {AS_OF} and touchpoint is not null and session_count >= 0
        """,
    )
    # Texts of a few kinds are grouped by as numbers.
    db.execute(f"""
        create type transaction_kind as enum (
            select distinct lower(trim(transaction_type)) from '{task.parts("transactions")}'
            where transaction_type is not null
        )
    """)
    keep_last(
        db,
        "transactions",
        "transaction_id",
        f"""
        select
            transaction_id,
            customer,
            transacted_at::date as transacted_on,
            lower(trim(transaction_type))::transaction_kind as transaction_type,
            amount,
            filename,
            file_row_number
        from {files("transactions")}
        join customers using (customer_id)
        where transaction_id is not null
            and transacted_at::date <= {AS_OF}
            and transaction_type is not null
            and amount > 0
        """,
    )
    tables = {
        "customers": "customers",
        "campaigns": "campaigns",
        "product_holdings": "holdings",
        "campaign_engagements": "engagements",
        "transactions": "transactions",
        "digital_sessions": "sessions",
    }
    counts = " union all ".join(
        f"select '{entity}' as entity, (select count(*) from '{task.parts(entity)}')"
        f" as received_count, (select count(*) from {table}) as accepted_count"
        for entity, table in tables.items()
    )
    db.execute(f"create table cleaning as {counts}")


def keep_last(db: duckdb.DuckDBPyConnection, table: str, key: str, query: str) -> None:
    """Make a table of a query's rows, of those with the same key the last one delivered.

    Few keys come twice, so that only their rows are put in order.
    """
    db.execute(f"create table delivered as {query}")
    db.execute(
        f"create table repeated as select {key} from delivered group by all having count(*) > 1"
    )
    db.execute(f"""
        create table {table} as
        select * exclude (filename, file_row_number) from delivered anti join repeated using ({key})
        union all
        select * exclude (filename, file_row_number) from delivered semi join repeated using ({key})
        qualify row_number() over (
            partition by {key} order by filename desc, file_row_number desc
        ) = 1
    """)
    db.execute("drop table delivered; drop table repeated")


def describe(db: duckdb.DuckDBPyConnection) -> None:
    """Each source at customer grain, then the features."""
    db.execute(f"""
        create table customer_types as
        select
            customer,
            transaction_type,
            count(*) as transaction_count,
            sum(amount)::decimal(18, 2) as total_amount,
            median(amount::double) as median_amount
        from transactions where transacted_on > {WINDOW}
        group by all
    """)
    db.execute("""
        create table customer_months as
        select
            customer,
            transaction_type,
            date_trunc('month', transacted_on)::date as month_starts_on,
            count(*) as transaction_count,
            sum(amount)::decimal(18, 2) as total_amount
        from transactions
        group by all
    """)
    db.execute(f"""
        create table customer_touchpoints as
        select
            customer,
            touchpoint,
            sum(session_count)::bigint as session_count,
            coalesce(sum(minutes), 0)::decimal(18, 2) as minutes
        from sessions where used_on > {WINDOW}
        group by all
        having sum(session_count) > 0 or sum(minutes) > 0
    """)
    db.execute(f"""
        create table customer_products as
        select
            customer,
            product,
            bool_or(closed_on is null or closed_on > {AS_OF}) as is_held,
            bool_or(opened_on > {WINDOW}) as is_bought
        from holdings
        group by all
    """)
    openable = ", ".join(f"'{channel}'" for channel in OPENABLE)
    db.execute(f"""
        create table customer_channels as
        select
            customer,
            channel,
            sum(impressions)::bigint as impression_count,
            sum(case when channel in ({openable}) then impressions else 0 end)::bigint
                as openable_impression_count,
            sum(case when channel in ({openable}) then opens end)::bigint as open_count,
            sum(clicks)::bigint as click_count,
            sum(conversions)::bigint as conversion_count
        from engagements join customers using (customer)
        where occurred_on > {WINDOW}
            and not is_holdout
            and (birth_year is null or year({AS_OF}) - birth_year >= {ADULT_AGE})
        group by all
        having sum(impressions) > 0
    """)
    by_type = ",\n".join(
        f"""sum(transaction_count) filter (transaction_type = '{kind}') as {kind}_count,
            sum(total_amount) filter (transaction_type = '{kind}') as {kind}_amount,
            max(median_amount) filter (transaction_type = '{kind}') as {kind}_median_amount"""
        for kind in ("deposit", "withdrawal")
    )
    of_types = ",\n".join(
        f"""coalesce({kind}_count, 0)::bigint as {kind}_count,
            coalesce({kind}_amount, 0)::decimal(18, 2) as {kind}_amount,
            {kind}_amount::double / {kind}_count as {kind}_mean_amount,
            {kind}_median_amount"""
        for kind in ("deposit", "withdrawal")
    )
    db.execute(f"""
        create table customer_features as
        with days as (
            select
                customer,
                max(transacted_on) as last_transacted_on,
                count(*) filter (transacted_on > {WINDOW}) as transaction_days
            from (select distinct customer, transacted_on from transactions) group by customer
        ),
        types as (
            select customer, sum(transaction_count)::bigint as transaction_count, {by_type}
            from customer_types group by customer
        ),
        digital as (
            select
                customer,
                sum(session_count)::bigint as digital_session_count,
                sum(minutes)::decimal(18, 2) as digital_minutes
            from customer_touchpoints group by customer
        ),
        products as (
            select customer, count(*) as product_count
            from customer_products where is_held group by customer
        )
        select
            customer,
            customer_id,
            year({AS_OF}) - birth_year as age_years,
            {AS_OF} - joined_on as tenure_days,
            monthly_income,
            account_balance,
            loyalty_score,
            coalesce(transaction_count, 0) as transaction_count,
            coalesce(transaction_days, 0) as transaction_days,
            {AS_OF} - last_transacted_on as days_since_transaction,
            {of_types},
            coalesce(digital_session_count, 0) as digital_session_count,
            coalesce(digital_minutes, 0) as digital_minutes,
            coalesce(product_count, 0) as product_count
        from customers
        left join days using (customer)
        left join types using (customer)
        left join digital using (customer)
        left join products using (customer)
    """)


def group(db: duckdb.DuckDBPyConnection, task: Task) -> int:
    """Fit, assign, and keep each customer's segment; returns the number of customers."""
    names = ", ".join(f"{name}::double as {name}" for name in FEATURES)
    # Where k-means begins depends on the order of rows.
    columns = db.execute(
        f"select customer, {names} from customer_features order by customer"
    ).fetchnumpy()
    customer = columns.pop("customer")
    values = {name: np.ma.filled(column, np.nan) for name, column in columns.items()}
    placements = {"customer": customer, **placed(task, values, sample=True)}
    db.register("placements", placements)
    db.execute("create table members as from placements")
    db.unregister("placements")
    return len(customer)


def write_marts(db: duckdb.DuckDBPyConnection, task: Task) -> None:
    """Sums by segment in SQL, rates and intervals of them, a file a mart."""

    def copy(mart: str, query: str) -> None:
        db.execute(f"copy ({query}) to '{task.out / mart}.parquet'")

    def finish(mart: str, query: str, figures_of: Any) -> None:
        found = db.execute(query).fetchnumpy()
        columns = figures_of({name: plain(column) for name, column in found.items()})
        db.register("finished", columns)
        copy(mart, "from finished")
        db.unregister("finished")

    copy("cleaning", "from cleaning")
    copy("customer_features", "select * exclude (customer) from customer_features")
    copy(
        "segment_members",
        "select customer_id, members.* exclude (customer)"
        " from members join customers using (customer)",
    )
    db.execute("""
        create table segments as
        select
            segment_id,
            count(*) as entity_count,
            count(*) / sum(count(*)) over () as segment_share
        from members group by segment_id
    """)
    copy("segments", "from segments")
    finish("segment_profiles", profiles_query(), figures.profiles)

    by_channel = (
        "select segment_id, channel, c.* exclude (customer, channel) from customer_channels c"
    )
    over_channels = "select segment_id, " + ", ".join(
        f"sum({name}) as {name}"
        for name in (
            "impression_count",
            "openable_impression_count",
            "open_count",
            "click_count",
            "conversion_count",
        )
    )
    joined = " join members using (customer)"
    finish(
        "segment_channel_engagement",
        engagement_query(by_channel + joined, "segment_id, channel"),
        figures.engagement,
    )
    finish(
        "segment_engagement",
        engagement_query(
            f"{over_channels} from customer_channels{joined} group by customer, segment_id",
            "segment_id",
        ),
        figures.engagement,
    )
    finish(
        "segment_product_ownership",
        """
        select
            segment_id,
            product,
            entity_count as customer_count,
            count(*) filter (is_held) as holder_count,
            count(*) filter (is_bought) as buyer_count
        from segments
        cross join (select distinct product from customer_products)
        left join (select * from customer_products join members using (customer))
            using (segment_id, product)
        group by all
        """,
        figures.ownership,
    )
    finish(
        "segment_ownership",
        """
        select
            segment_id,
            entity_count as customer_count,
            count(*) filter (is_holder) as holder_count,
            count(*) filter (is_buyer) as buyer_count
        from segments
        left join (
            select segment_id, bool_or(is_held) as is_holder, bool_or(is_bought) as is_buyer
            from customer_products join members using (customer)
            group by customer, segment_id
        ) using (segment_id)
        group by all
        """,
        figures.ownership,
    )
    finish(
        "segment_digital_usage",
        """
        select
            segment_id,
            touchpoint,
            entity_count as customer_count,
            count(session_count) as user_count,
            coalesce(sum(session_count), 0)::bigint as session_count,
            coalesce(sum(minutes), 0)::double as minutes,
            coalesce(sum(session_count::double ** 2), 0) as sessions_squared,
            coalesce(sum(session_count::double ** 3), 0) as sessions_cubed,
            coalesce(sum(minutes::double ** 2), 0) as minutes_squared,
            coalesce(sum(minutes::double ** 3), 0) as minutes_cubed
        from segments
        cross join (select distinct touchpoint from customer_touchpoints)
        left join (select * from customer_touchpoints join members using (customer))
            using (segment_id, touchpoint)
        group by all
        """,
        figures.usage,
    )
    finish(
        "segment_transactions",
        transactions_query(
            "customer_types",
            "segment_id, transaction_type",
            """
            select segment_id, transaction_type, entity_count as customer_count
            from segments cross join (select distinct transaction_type from customer_types)
            """,
            f"(from transactions where transacted_on > {WINDOW}) as transactions",
        ),
        figures.transactions,
    )
    finish(
        "segment_month_transactions",
        transactions_query(
            "customer_months",
            "segment_id, transaction_type, month_starts_on",
            month_customers_query(),
            "(select *, date_trunc('month', transacted_on)::date as month_starts_on"
            " from transactions) as transactions",
        ),
        figures.transactions,
    )


def profiles_query() -> str:
    """Each feature's sums and quartiles by segment, beside the population's."""
    names = ", ".join(f"{name}::double as {name}" for name in FEATURES)
    return f"""
        with features as (
            from (
                select segment_id, {names}
                from customer_features join members using (customer)
            )
            unpivot include nulls (feature_value for feature in ({", ".join(FEATURES)}))
        ),
        population as (
            select
                feature,
                avg(feature_value) as population_mean,
                stddev_samp(feature_value) as population_deviation
            from features group by feature
        ),
        described as (
            select
                segment_id,
                feature,
                count(*) as entity_count,
                count(feature_value) as value_count,
                sum(feature_value) as value_sum,
                sum(feature_value ** 2) as values_squared,
                sum(feature_value ** 3) as values_cubed,
                quantile_cont(feature_value, [0.25, 0.5, 0.75]) as quartiles
            from features group by all
        )
        select
            * exclude (quartiles),
            quartiles[1] as p25_value,
            quartiles[2] as median_value,
            quartiles[3] as p75_value
        from described join population using (feature)
    """


def engagement_query(customers: str, keys: str) -> str:
    """Sums over reached customers; cells that nobody was reached in have zeros."""
    cells = (
        "segments"
        if keys == "segment_id"
        else ("segments cross join (select distinct channel from customer_channels)")
    )

    def total(expression: str) -> str:
        return f"case when count(impression_count) = 0 then 0 else sum({expression}) end::double"

    short = {
        "clicks": "click_count::double",
        "impressions": "impression_count::double",
        "opens": "open_count::double",
        "openable_impressions": "openable_impression_count::double",
    }
    sums = [
        f"{total(name)} as {name}"
        for name in (
            "impression_count",
            "openable_impression_count",
            "open_count",
            "click_count",
            "conversion_count",
        )
    ]
    for name, column in short.items():
        sums.append(f"{total(f'{column} ** 2')} as {name}_squared")
        sums.append(f"{total(f'{column} ** 3')} as {name}_cubed")
    for y, x in (("clicks", "impressions"), ("opens", "openable_impressions")):
        sums.append(f"{total(f'{short[y]} * {short[x]}')} as {y}_times_{x}")
        sums.append(f"{total(f'{short[y]} ** 2 * {short[x]}')} as {y}_squared_times_{x}")
        sums.append(f"{total(f'{short[y]} * {short[x]} ** 2')} as {y}_times_{x}_squared")
    ctr = "(click_count::double / impression_count)"
    sums.append(f"{total(ctr)} as customer_ctr_sum")
    sums.append(f"{total(f'{ctr} ** 2')} as customer_ctr_squared")
    sums.append(f"{total(f'{ctr} ** 3')} as customer_ctr_cubed")
    return f"""
        select
            {keys},
            entity_count as customer_count,
            count(impression_count) as reached_customer_count,
            count(*) filter (openable_impression_count > 0) as openable_customer_count,
            count(*) filter (conversion_count > 0) as converted_customer_count,
            {", ".join(sums)}
        from {cells}
        left join ({customers}) using ({keys})
        group by all
    """


def month_customers_query() -> str:
    """Customers by segment, month and type: joined by its end, or with an earlier transaction."""
    return """
        with months as (select distinct month_starts_on from customer_months),
        early as (
            select segment_id, month_starts_on, count(distinct customer) as n
            from customer_months
            join customers using (customer)
            join members using (customer)
            where joined_on >= month_starts_on + interval 1 month
            group by all
        ),
        joining as (
            select segment_id, date_trunc('month', joined_on)::date as joined_month, count(*) as n
            from customers join members using (customer)
            group by all
        ),
        joined as (
            select
                segment_id,
                month_starts_on,
                sum(n) filter (joined_month is null or joined_month <= month_starts_on) as n
            from joining cross join months
            group by all
        )
        select
            segment_id,
            transaction_type,
            month_starts_on,
            (coalesce(joined.n, 0) + coalesce(early.n, 0))::bigint as customer_count
        from joined
        left join early using (segment_id, month_starts_on)
        cross join (select distinct transaction_type from customer_months)
        where coalesce(joined.n, 0) + coalesce(early.n, 0) > 0
    """


def transactions_query(relation: str, keys: str, cells: str, transactions: str) -> str:
    """Sums, quartiles and rank correlations over customers and over transactions, by `keys`.

    Customers without a transaction are zeros ahead of the amounts in order.
    """
    amount, number = "total_amount::double", "transaction_count::double"

    def rank(name: str, expression: str) -> str:
        order = f"over (partition by cell order by {expression}"
        return (
            f"(rank() {order}) + (count(*) {order} range between current row and current row)"
            f" - 1) / 2) as {name}_rank"
        )

    def quantile(share: float, zeros: str) -> str:
        place = f"((active_customer_count + {zeros} - 1) * {share} + 1)"

        def value(at: str) -> str:
            return f"case when {at} <= {zeros} then 0 else amounts[({at} - {zeros})::bigint] end"

        low, high = value(f"floor({place})"), value(f"ceil({place})")
        return f"({low}) + ({place} - floor({place})) * (({high}) - ({low}))"

    zeros = "(customer_count - active_customer_count)"
    quartiles = [
        f"{quantile(share, z)} as amount_per_{name}_{label}"
        for name, z in (("customer", zeros), ("active_customer", "0"))
        for label, share in (("p25", 0.25), ("median", 0.5), ("p75", 0.75))
    ]
    return f"""
        -- Rows are put in order by one small number and not by all the keys.
        with cells as materialized (select *, row_number() over ()::int as cell from ({cells})),
        ranked as (
            select
                cell,
                transaction_count,
                total_amount,
                {rank("count", "transaction_count")},
                {rank("total", "total_amount")},
                {rank("mean", f"{amount} / transaction_count")}
            from {relation} join members using (customer) join cells using ({keys})
        ),
        active as (
            select
                cell,
                count(*) as active_customer_count,
                sum(transaction_count)::bigint as transaction_count,
                sum(total_amount) as total_amount,
                sum({number} ** 2) as counts_squared,
                sum({number} ** 3) as counts_cubed,
                sum({amount} ** 2) as amounts_squared,
                sum({amount} ** 3) as amounts_cubed,
                sum({amount} * {number}) as amounts_times_counts,
                sum({amount} ** 2 * {number}) as amounts_squared_times_counts,
                sum({amount} * {number} ** 2) as amounts_times_counts_squared,
                list_sort(list({amount})) as amounts,
                case
                    when stddev_pop(count_rank) > 0 and stddev_pop(total_rank) > 0
                        then corr(count_rank, total_rank)
                end as count_total_rank_correlation,
                case
                    when stddev_pop(count_rank) > 0 and stddev_pop(mean_rank) > 0
                        then corr(count_rank, mean_rank)
                end as count_mean_rank_correlation
            from ranked group by all
        ),
        single as (
            select
                {keys},
                sum(amount::double ** 2) as transaction_amounts_squared,
                quantile_cont(amount::double, [0.25, 0.5, 0.75]) as quartiles
            from {transactions} join members using (customer)
            group by all
        ),
        known as (
            select
                * exclude (active_customer_count),
                coalesce(active_customer_count, 0) as active_customer_count
            from cells left join active using (cell) left join single using ({keys})
        )
        select
            {keys},
            customer_count,
            active_customer_count,
            count_total_rank_correlation,
            count_mean_rank_correlation,
            transaction_amounts_squared,
            coalesce(columns(
                '^(transaction_count|total_amount|counts_.*|amounts_.+)$'
            ), 0)::double,
            {", ".join(quartiles)},
            quartiles[1] as amount_per_transaction_p25,
            quartiles[2] as amount_per_transaction_median,
            quartiles[3] as amount_per_transaction_p75
        from known
    """


AS_OF = "getvariable('as_of')"
WINDOW = "getvariable('window_start')"


def plain(column: Any) -> NDArray[Any]:
    """A column without a mask: missing numbers are NaN."""
    is_masked = np.ma.isMaskedArray(column)
    return np.ma.filled(column.astype(np.float64), np.nan) if is_masked else np.asarray(column)


def count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table."""
    row = db.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
