"""One block of customers, drawn from the planted truth, and what the other modules share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from benchmarks import planted
from benchmarks.planted import AS_OF, RECENT, START, Floats, Ints, Mask
from benchmarks.tables import (
    Column,
    Table,
    bools,
    codes,
    concat,
    dates,
    decimals,
    ids,
    ints,
    take,
    timestamps,
)

SECONDS_A_DAY = 86_400
STREAMS = (
    "customers",
    "product_holdings",
    "card_accounts",
    "campaign_engagements",
    "transactions",
    "digital_sessions",
    "customer_attributes",
    "dirt",
)


@dataclass(frozen=True)
class Config:
    """What to generate; figures per customer are means over the 18 months."""

    customers: int = planted.DEMO_CUSTOMERS
    seed: int = planted.DEFAULT_SEED
    transactions_per_customer: float = planted.BASE_TRANSACTIONS
    engagements_per_customer: float = planted.BASE_ENGAGEMENTS
    block_size: int = 50_000
    clean: bool = False

    @property
    def customer_width(self) -> int:
        """Digits of a customer id; the last tenth of the range is left for planted dirt."""
        return max(5, len(str(self.customers * 2)))

    def event_width(self, per_customer: float) -> int:
        """Digits of an event id, with room for the spread around the mean and for dirt."""
        return max(6, len(str(int(self.customers * per_customer * 2))))


@dataclass(frozen=True)
class People:
    """Planted facts of a block's customers; every array has shape (customers,).

    ``number`` is the id, ``income_z`` and ``digital_z`` are standard normal within a group,
    ``first`` and ``last`` are the days between which a customer does anything, ``churned_on``
    is 0 for those who stay.
    """

    number: Ints
    group: Ints
    income_z: Floats
    digital_z: Floats
    activity: Floats
    first: Ints
    last: Ints
    churned_on: Ints
    consents: Mask
    consent_flip: Ints

    def consents_on(self, day: int) -> Mask:
        """Who consents to marketing on ``day``; ``consent_flip`` is 0 where it never changed."""
        return self.consents ^ (self.consent_flip > day)


def stream(config: Config, block: int, name: str) -> Generator:
    """An independent random stream for one entity of one block."""
    key = (block, STREAMS.index(name))
    return Generator(PCG64(SeedSequence(config.seed, spawn_key=key)))


def between(rng: Generator, low: Ints, high: Ints) -> Ints:
    """Uniform whole numbers, ``low`` and ``high`` included; shapes as the inputs."""
    return low + np.floor(rng.random(len(low)) * (high - low + 1)).astype(np.int64)


def choose(rng: Generator, shares: Floats | tuple[float, ...], size: int) -> Ints:
    """Indices drawn with the given shares, shape (size,)."""
    edges = np.cumsum(shares)[:-1]
    return np.searchsorted(edges, rng.random(size), side="right").astype(np.int64)


def mean_one(rng: Generator, sigma: float, size: int) -> Floats:
    """Log-normal factors with mean 1, shape (size,)."""
    return np.exp(sigma * rng.standard_normal(size) - sigma**2 / 2)


def draw_customers(config: Config, block: int) -> tuple[People, Table]:
    """A block's customers and their deliveries, earlier versions before later ones."""
    rng = stream(config, block, "customers")
    offset = block * config.block_size
    size = min(config.block_size, config.customers - offset)
    group = choose(rng, planted.SHARES, size)
    wealth, income_own, balance_own, digital = rng.standard_normal((4, size))
    income_z = np.sqrt(0.4) * wealth + np.sqrt(0.6) * income_own
    balance_z = np.sqrt(0.4) * wealth + np.sqrt(0.6) * balance_own
    income = np.exp(planted.INCOME_LOG[group] + planted.INCOME_SIGMA * income_z)
    balance = np.exp(planted.BALANCE_LOG[group] + planted.BALANCE_SIGMA * balance_z)
    overdrawn = rng.random(size) < planted.OVERDRAWN_SHARE
    balance = np.where(overdrawn, -0.1 * balance, balance)
    loyalty = planted.LOYALTY_MEAN[group] + planted.LOYALTY_SIGMA * rng.standard_normal(size)
    loyalty = np.clip(loyalty, 0.0, 100.0)

    inside = rng.random(size) < planted.JOINED_INSIDE_SHARE
    early = between(rng, np.full(size, START - 4000), np.full(size, START - 1))
    late = between(rng, np.full(size, START), np.full(size, AS_OF - 75))
    joined = np.where(inside, late, early)
    churns = ~inside & (rng.random(size) < planted.CHURN_RATE[group])
    stopped = between(rng, np.full(size, RECENT + 120), np.full(size, AS_OF - 45))
    churned_on = np.where(churns, stopped, 0)

    birth_year = 1938 + choose(rng, (1 / 66,) * 66, size)
    minor = rng.random(size) < planted.MINOR_SHARE
    birth_year = np.where(minor, 2009 + choose(rng, (0.25,) * 4, size), birth_year)
    consents = rng.random(size) < planted.CONSENT_SHARE

    versions = 1 + (rng.random(size) < planted.SEVERAL_VERSIONS_SHARE)
    versions += (versions > 1) & (rng.random(size) < 0.3)
    # Only customers with an earlier delivery can be seen to have changed their mind.
    first_known = np.maximum(joined, START)
    flips = (versions > 1) & (rng.random(size) < 0.6)
    last_update = between(rng, np.minimum(first_known + 20, AS_OF), np.full(size, AS_OF))
    consent_flip = np.where(flips, last_update - 1, 0)
    people = People(
        number=offset + 1 + np.arange(size),
        group=group,
        income_z=income_z,
        digital_z=digital,
        activity=mean_one(rng, planted.ACTIVITY_SIGMA, size),
        first=first_known,
        last=np.where(churns, stopped - 1, AS_OF),
        churned_on=churned_on,
        consents=consents,
        consent_flip=consent_flip,
    )

    evening = 20 * 3600
    consent_at = np.where(flips, consent_flip, joined) * SECONDS_A_DAY + 12 * 3600
    current = {
        "customer_id": ids(people.number, "C", config.customer_width),
        "joined_on": dates(joined),
        "birth_year": ints(birth_year),
        "gender": codes(choose(rng, planted.GENDER_SHARES, size), planted.GENDERS),
        "marital_status": codes(choose(rng, planted.MARITAL_SHARES, size), planted.MARITAL),
        "education": codes(choose(rng, planted.EDUCATION_SHARES, size), planted.EDUCATION),
        "job": codes(choose(rng, planted.JOB_SHARES, size), planted.JOBS),
        "region": codes(choose(rng, planted.REGION_SHARES, size), planted.REGIONS),
        "monthly_income": decimals(income),
        "account_balance": decimals(balance),
        "loyalty_score": decimals(loyalty, 1),
        "marketing_consent": bools(consents),
        "consent_changed_at": timestamps(consent_at),
        "updated_at": timestamps(
            np.where(versions > 1, last_update, first_known) * SECONDS_A_DAY + evening
        ),
        "is_deleted": bools(np.zeros(size)),
    }
    deliveries = [current]
    for age in (1, 2):
        rows = np.flatnonzero(versions > age)
        earlier = take(current, rows)
        count = len(rows)
        drift = np.exp(-0.04 * age + 0.12 * rng.standard_normal((2, count)))
        # The first delivery is the day a customer was first known; a middle one lies between.
        middle = (first_known[rows] + last_update[rows]) // 2
        day = np.where(versions[rows] == age + 1, first_known[rows], middle)
        earlier["monthly_income"] = decimals(income[rows] * drift[0])
        earlier["account_balance"] = decimals(balance[rows] * drift[1])
        earlier["marketing_consent"] = bools(consents[rows] ^ flips[rows])
        earlier["consent_changed_at"] = timestamps(joined[rows] * SECONDS_A_DAY + 12 * 3600)
        earlier["updated_at"] = timestamps(day * SECONDS_A_DAY + evening)
        deliveries.append(earlier)
    table = concat(deliveries)
    order = np.lexsort((table["updated_at"].values, table["customer_id"].values))
    return people, take(table, order)


def active_days(people: People, low: int, high: int) -> tuple[Ints, Ints, Floats]:
    """First and last active day within ``low`` to ``high`` and the number of days (0 if none)."""
    first = np.maximum(people.first, low)
    last = np.minimum(people.last, high)
    return first, last, np.maximum(last - first + 1, 0).astype(np.float64)


def draw_attributes(config: Config, block: int, people: People) -> Table:
    """A few attributes of a tenth of the customers, in customer order."""
    rng = stream(config, block, "customer_attributes")
    owner = np.flatnonzero(rng.random(len(people.number)) < 0.05)
    branch = choose(rng, (0.25,) * 4, len(owner))
    language = choose(rng, (0.7, 0.2, 0.1), len(owner))
    both = np.repeat(owner, 2)
    value = np.column_stack([branch, 4 + language]).ravel()
    return {
        "customer_id": ids(people.number[both], "C", config.customer_width),
        "attribute": codes(value >= 4, ("preferred_branch", "preferred_language")),
        "value": codes(value, planted.BRANCHES + planted.LANGUAGES),
    }


def empty_given_segments() -> Table:
    """The header of a file that the demo leaves empty."""
    none = np.zeros(0, dtype=np.int64)
    columns = ("segmentation", "entity_id", "segment")
    return {name: Column("code", none, levels=("",)) for name in columns}
