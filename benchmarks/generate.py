"""Generate the raw files of a bank that does not exist, and the truth they were drawn from.

The demo seeds:      python -m benchmarks.generate --out seeds --prefix raw_
                         --truth benchmarks/demo_truth.json
A warehouse's load:  python -m benchmarks.generate --customers 1000000 --out FOLDER
                         --format parquet

Customers are drawn in blocks, each from its own random streams, and written block by block, so
memory is bounded by one block. The same options give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks import planted, truth
from benchmarks.cards import draw_card_accounts
from benchmarks.dirt import Soiled, soil
from benchmarks.events import draw_sessions, draw_transactions
from benchmarks.marketing import campaign_table, draw_engagements, draw_holdings
from benchmarks.planted import Ints
from benchmarks.tables import Table, concat, row_count, table_text, take, write_csv, write_parquet
from benchmarks.world import (
    SECONDS_A_DAY,
    Config,
    People,
    draw_attributes,
    draw_customers,
    empty_given_segments,
    stream,
)

# Written once; everything else comes in one part per block.
WHOLE = ("campaigns", "given_segments")
SCALE_TRANSACTIONS = 52.5
SCALE_ENGAGEMENTS = 12.0
DELETED_CUSTOMERS = 4


class Block:
    """A block of customers: clean tables by entity and the planted facts behind them."""

    def __init__(self, config: Config, number: int, next_id: dict[str, int]) -> None:
        self.number = number
        self.people: People
        self.people, customers = draw_customers(config, number)
        transactions = draw_transactions(config, number, self.people, next_id["transactions"])
        engagements, contacts = draw_engagements(
            config, number, self.people, next_id["campaign_engagements"]
        )
        holdings, self.effects = draw_holdings(
            config, number, self.people, contacts, next_id["product_holdings"]
        )
        cards, self.card_group = draw_card_accounts(
            config, number, self.people, holdings, next_id["card_accounts"]
        )
        self.tables: dict[str, Table] = {
            "customers": customers,
            "product_holdings": holdings,
            "card_accounts": cards,
            "campaign_engagements": engagements,
            "transactions": transactions,
            "digital_sessions": draw_sessions(config, number, self.people),
            "customer_attributes": draw_attributes(config, number, self.people),
        }
        for entity, table in self.tables.items():
            next_id[entity] += row_count(table)
        if number == 0:
            self.tables["campaigns"] = campaign_table()
            self.tables["given_segments"] = empty_given_segments()


def first_ids(config: Config) -> dict[str, int]:
    """The next free number of every entity's id; new customers of the dirt get high ones."""
    next_id: dict[str, int] = defaultdict(lambda: 1)
    next_id["extra_customers"] = 9 * 10 ** (config.customer_width - 1)
    next_id["campaigns"] = 90
    return next_id


def blocks(config: Config) -> Iterator[Block]:
    """All blocks of clean data, one at a time; ids continue from block to block."""
    next_id = first_ids(config)
    for number in range(-(-config.customers // config.block_size)):
        yield Block(config, number, next_id)


def with_deleted(table: Table, rng: Generator, first_id: int) -> tuple[Table, Ints]:
    """Add customers without any events who are delivered, and later delivered as deleted.

    Returns the table and the added ids.
    """
    rows = np.sort(rng.choice(row_count(table), min(DELETED_CUSTOMERS, row_count(table)), False))
    added = first_id + np.arange(len(rows))
    delivered = take(table, rows)
    delivered["customer_id"] = replace(delivered["customer_id"], values=added)
    stamp = planted.AS_OF * SECONDS_A_DAY - rng.integers(1, 60, len(rows)) * SECONDS_A_DAY
    born = np.minimum(delivered["updated_at"].values, stamp - SECONDS_A_DAY)
    delivered["updated_at"] = replace(delivered["updated_at"], values=born)
    gone = delivered | {
        "updated_at": replace(delivered["updated_at"], values=stamp),
        "is_deleted": replace(delivered["is_deleted"], values=np.ones(len(rows), dtype=np.int64)),
    }
    return concat([table, delivered, gone]), added


class Writer:
    """Writes blocks in one format and remembers how many rows each file has."""

    def __init__(self, out: Path, prefix: str, file_format: str) -> None:
        self.out, self.prefix, self.format = out, prefix, file_format
        self.rows: dict[str, int] = defaultdict(int)
        self.connection: Any = None
        out.mkdir(parents=True, exist_ok=True)
        if file_format == "parquet":
            import duckdb

            self.connection = duckdb.connect()

    def write(self, entity: str, block: int, soiled: Soiled) -> None:
        """Write one block's rows of an entity."""
        name = f"{self.prefix}{entity}"
        if self.format == "csv":
            texts = table_text(soiled.table)
            soiled.respell(texts)
            write_csv(self.out / f"{name}.csv", texts.keys(), texts, append=block > 0)
        elif entity in WHOLE:
            write_parquet(self.out / f"{name}.parquet", soiled.table, self.connection)
        else:
            folder = self.out / name
            folder.mkdir(exist_ok=True)
            if block == 0:
                # Parts of an earlier, larger run would be read along with the new ones.
                for part in folder.glob("part-*.parquet"):
                    part.unlink()
            write_parquet(folder / f"part-{block:05d}.parquet", soiled.table, self.connection)
        self.rows[entity] += row_count(soiled.table)


def generate(config: Config, out: Path, prefix: str, file_format: str) -> dict[str, Any]:
    """Write all files to ``out`` and return the truth."""
    writer = Writer(out, prefix, file_format)
    record = truth.Record(config)
    next_id = first_ids(config)
    for number in range(-(-config.customers // config.block_size)):
        block = Block(config, number, next_id)
        record.add_block(block.people, block.tables, block.effects, block.card_group)
        rng = stream(config, number, "dirt")
        for entity in sorted(block.tables):
            table = block.tables[entity]
            if config.clean or entity == "given_segments":
                soiled = Soiled(table, ())
                deleted = np.zeros(0, dtype=np.int64)
            else:
                ids = "extra_customers" if entity == "customers" else entity
                deleted = np.zeros(0, dtype=np.int64)
                if entity == "customers":
                    table, deleted = with_deleted(table, rng, next_id[ids])
                    next_id[ids] += len(deleted)
                soiled = soil(entity, table, rng, next_id[ids], file_format == "csv")
                next_id[ids] += row_count(soiled.table) - row_count(table)
            record.add_dirt(entity, soiled, deleted, writer.rows[entity])
            writer.write(entity, number, soiled)
        if config.customers > config.block_size:
            done = min((number + 1) * config.block_size, config.customers)
            print(f"{done:,} of {config.customers:,} customers", file=sys.stderr, flush=True)
    return record.as_json(dict(writer.rows))


def positive(text: str) -> int:
    """A whole number of at least one, from the command line."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def natural(text: str) -> int:
    """A whole number of at least zero, from the command line."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def rate(text: str) -> float:
    """A mean per customer above zero, from the command line."""
    value = float(text)
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 10000")
    return value


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--prefix", default="", help="put before every file name")
    parser.add_argument("--truth", type=Path, help="file for the planted truth")
    parser.add_argument("--customers", type=positive, default=planted.DEMO_CUSTOMERS)
    parser.add_argument("--seed", type=natural, default=planted.DEFAULT_SEED)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--transactions-per-customer", type=rate, help="over the 18 months")
    parser.add_argument("--engagements-per-customer", type=rate, help="rows over the 18 months")
    parser.add_argument("--block-size", type=positive, default=50_000, help="customers a part")
    parser.add_argument("--clean", action="store_true", help="no dirty rows")
    options = parser.parse_args(arguments)
    large = options.customers > 10 * planted.DEMO_CUSTOMERS
    transactions = SCALE_TRANSACTIONS if large else planted.BASE_TRANSACTIONS
    engagements = SCALE_ENGAGEMENTS if large else planted.BASE_ENGAGEMENTS
    config = Config(
        customers=options.customers,
        seed=options.seed,
        transactions_per_customer=options.transactions_per_customer or transactions,
        engagements_per_customer=options.engagements_per_customer or engagements,
        block_size=options.block_size,
        clean=options.clean,
    )
    found = generate(config, options.out, options.prefix, options.format)
    if options.truth is not None:
        text = json.dumps(found, sort_keys=True, separators=(",", ":"), allow_nan=False)
        options.truth.write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
