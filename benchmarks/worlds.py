"""Planted worlds of campaign delivery, for judging what a frequency cap is concluded from.

In a world the true response to one more impression is known: flat, or falling after the eighth
impression of a campaign and channel (fatigue). Around it stand the things that make a flat
response look like a falling one: delivery that follows a customer's affinity, stopping after a
click, more delivery after a click, and campaigns that wear out.

A spell is one customer in one campaign and channel. Arrays over spells have shape (spells,).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_DAY = "2025-01-01"
CUSTOMERS = 4_000
CAMPAIGNS = 12
CHANNELS = ("email", "facebook", "instagram")
SEGMENT_SHARES: Floats = np.array([0.21, 0.28, 0.20, 0.31])
# Expected clicks per impression while nobody is tired, [segment] and [channel].
SEGMENT_CTR: Floats = np.array([0.065, 0.085, 0.060, 0.080])
CHANNEL_FACTOR: Floats = np.array([1.15, 1.0, 0.85])
CAMPAIGN_SIGMA = 0.20
# A customer's own affinity: a gamma factor over all channels and a log-normal one a channel.
CUSTOMER_SHAPE = 2.5
CUSTOMER_CHANNEL_SIGMA = 0.45
# In the world `finer`: one more gamma factor for each customer and campaign.
FINER_SHAPE = 1.4
HIGHEST_CTR = 0.6

CAMPAIGN_EVERY_DAYS = 45
CAMPAIGN_DAYS = 50
START_WITHIN_DAYS = 28
REACHED_SHARE = 0.85
MEAN_FURTHER_DAYS = 5.0
MEAN_FURTHER_IMPRESSIONS = 0.7
NEXT_DAY_SHARE = 0.5
DELIVERY_SIGMA = 0.45
CONFOUNDING = 0.6
MOST_DAYS = 20
BOOST_DAYS = 3
BOOST_IMPRESSIONS = 1.0
WEAR_OUT_DAYS = 30.0
# Response by the number of an impression in its campaign and channel: 1.0 up to the eighth.
LAST_FRESH_IMPRESSION = 8
TIRED_RESPONSE: Floats = np.array([0.5, 0.5, 0.35, 0.35, 0.3])


@dataclass(frozen=True)
class World:
    """What holds in a world.

    ``confounded``: delivery follows affinity, upwards in even seeds and downwards in odd ones.
    ``stops``: no more delivery after the first day with a click. ``boosts``: more of it after one.
    ``tires``: response falls after the eighth impression. ``wears_out``: response falls with the
    campaign's age. ``finer``: affinity differs by customer and campaign.
    """

    confounded: bool = False
    stops: bool = False
    boosts: bool = False
    tires: bool = False
    wears_out: bool = False
    finer: bool = False


WORLDS: Mapping[str, World] = MappingProxyType(
    {
        "a_confounded": World(confounded=True),
        "b_stopping": World(stops=True),
        "c_random_fatigue": World(tires=True),
        "d_confounded_fatigue": World(confounded=True, tires=True),
        "e_random": World(),
        "f_stopping_fatigue": World(stops=True, tires=True),
        "wear_out": World(wears_out=True),
        "boosting": World(boosts=True),
        "finer_stopping": World(stops=True, finer=True),
    }
)
WITH_FATIGUE = tuple(name for name, world in WORLDS.items() if world.tires)


@dataclass(frozen=True)
class _Spells:
    """Who is shown what; ``ctr`` is per impression, ``plan`` the days delivered if none reacts."""

    customer: Ints
    campaign: Ints
    channel: Ints
    ctr: Floats
    delivery: Floats
    plan: Ints
    day: Ints


def fatigue(before: Ints) -> Floats:
    """Response to the next impression after ``before`` impressions; same shape, 1 is fresh."""
    steps = np.concatenate([[1.0], TIRED_RESPONSE])
    past: Floats = steps[np.clip(before - LAST_FRESH_IMPRESSION + 1, 0, len(steps) - 1)]
    return past


def segments(customers: int, rng: Generator) -> Ints:
    """Segment 0 to 3 of each customer, shape (customers,), in shares of ``SEGMENT_SHARES``."""
    edges = np.floor(np.cumsum(SEGMENT_SHARES) * customers)[:-1]
    return rng.permutation(np.searchsorted(edges, np.arange(customers), side="right"))


def _mean_one(rng: Generator, sigma: float, shape: tuple[int, ...]) -> Floats:
    """Log-normal factors with mean one."""
    return np.exp(sigma * rng.standard_normal(shape) - sigma**2 / 2)


def _spells(world: World, segment: Ints, confounding: float, rng: Generator) -> _Spells:
    customers = len(segment)
    shape = (customers, CAMPAIGNS, len(CHANNELS))
    affinity = rng.gamma(CUSTOMER_SHAPE, 1 / CUSTOMER_SHAPE, (customers, 1))
    affinity = affinity * _mean_one(rng, CUSTOMER_CHANNEL_SIGMA, (customers, len(CHANNELS)))
    delivery = _mean_one(rng, DELIVERY_SIGMA, (customers, len(CHANNELS)))
    if world.confounded:
        follows = affinity**confounding
        delivery = delivery * follows / follows.mean()
    ctr = SEGMENT_CTR[segment][:, None, None] * CHANNEL_FACTOR * affinity[:, None, :]
    ctr = ctr * _mean_one(rng, CAMPAIGN_SIGMA, (1, CAMPAIGNS, len(CHANNELS)))
    if world.finer:
        ctr = ctr * rng.gamma(FINER_SHAPE, 1 / FINER_SHAPE, (customers, CAMPAIGNS, 1))
    reached = rng.random(shape) < REACHED_SHARE
    customer, campaign, channel = (index.astype(np.int64) for index in np.nonzero(reached))
    own = delivery[customer, channel]
    return _Spells(
        customer=customer,
        campaign=campaign,
        channel=channel,
        ctr=np.minimum(ctr[reached], HIGHEST_CTR),
        delivery=own,
        plan=1 + rng.poisson(np.minimum(MEAN_FURTHER_DAYS * own, MOST_DAYS)),
        day=rng.integers(0, START_WITHIN_DAYS, len(customer)),
    )


def _clicks(world: World, ctr: Floats, age: Ints, seen: Ints, shown: Ints, rng: Generator) -> Ints:
    """Clicks of one day, shape as ``shown``; within a day each impression counts for fatigue."""
    chance = ctr * np.exp(-age / WEAR_OUT_DAYS) if world.wears_out else ctr
    if not world.tires:
        return rng.binomial(shown, chance)
    clicks = np.zeros_like(shown)
    for position in range(int(shown.max(initial=0))):
        hit = rng.random(len(shown)) < chance * fatigue(seen + position)
        clicks += hit & (position < shown)
    return clicks


def draw(name: str, seed: int, customers: int = CUSTOMERS) -> pd.DataFrame:
    """The engagements of one world.

    Args:
        name: a key of ``WORLDS``.
        seed: whole number; even seeds confound upwards, odd ones downwards.
        customers: how many, at least 4.

    Returns:
        One row per campaign, channel, customer and day, with the columns segment_id,
        customer_id, campaign_id, channel, occurred_on (date), impressions (at least 1), clicks.

    Raises:
        KeyError: there is no such world.
    """
    world = WORLDS[name]
    rng = Generator(PCG64(SeedSequence(seed, spawn_key=(list(WORLDS).index(name),))))
    segment = segments(customers, rng)
    confounding = CONFOUNDING if seed % 2 == 0 else -CONFOUNDING
    spells = _spells(world, segment, confounding, rng)

    spell = np.arange(len(spells.customer))
    day, left = spells.day, spells.plan
    seen = np.zeros(len(spell), dtype=np.int64)
    boost = np.zeros(len(spell))
    parts: list[tuple[Ints, Ints, Ints, Ints]] = []
    for _ in range(MOST_DAYS):
        extra = MEAN_FURTHER_IMPRESSIONS * np.sqrt(spells.delivery[spell]) + boost
        shown = 1 + rng.poisson(extra)
        clicks = _clicks(world, spells.ctr[spell], day, seen, shown, rng)
        parts.append((spell, day, shown, clicks))
        clicked = clicks > 0
        if world.boosts:
            left = left + BOOST_DAYS * (clicked & (boost == 0))
            boost = np.where(clicked, BOOST_IMPRESSIONS, boost)
        day = day + rng.geometric(NEXT_DAY_SHARE, len(spell))
        goes_on = (left > 1) & (day < CAMPAIGN_DAYS) & ~(clicked & world.stops)
        spell, day, left = spell[goes_on], day[goes_on], left[goes_on] - 1
        seen, boost = (seen + shown)[goes_on], boost[goes_on]

    index, age, shown, clicks = (np.concatenate(column) for column in zip(*parts, strict=True))
    customer, campaign = spells.customer[index], spells.campaign[index]
    start = np.datetime64(FIRST_DAY, "D") + campaign * CAMPAIGN_EVERY_DAYS
    return pd.DataFrame(
        {
            "segment_id": segment[customer],
            "customer_id": np.char.add("C", (100_000 + customer).astype(str)),
            "campaign_id": np.char.add("K", (10 + campaign).astype(str)),
            "channel": np.array(CHANNELS)[spells.channel[index]],
            "occurred_on": start + age,
            "impressions": shown,
            "clicks": clicks,
        }
    )
