"""Campaigns, what customers see of them, and the products they open with or without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import planted
from benchmarks.planted import AS_OF, RECENT, START, Ints, Mask
from benchmarks.tables import Table, bools, cents, codes, dates, decimals, ids, ints, timestamps
from benchmarks.world import (
    SECONDS_A_DAY,
    Config,
    People,
    active_days,
    between,
    choose,
    stream,
)


def campaign_table() -> Table:
    """The campaigns with an earlier plan each: the budget moved before the start."""
    count = len(planted.CAMPAIGNS)
    number = np.repeat(np.arange(count), 2)
    final = np.tile([False, True], count)
    starts = np.array([campaign.starts for campaign in planted.CAMPAIGNS])[number]
    ends = np.array([campaign.ends for campaign in planted.CAMPAIGNS])[number]
    budget = np.array([campaign.budget_cents for campaign in planted.CAMPAIGNS])[number]
    holdout = np.array([campaign.holdout or 0.0 for campaign in planted.CAMPAIGNS])[number]
    updated = np.where(final, starts - 2, starts - 30) * SECONDS_A_DAY + 9 * 3600
    products = np.array([campaign.product for campaign in planted.CAMPAIGNS])[number]
    objectives = ("awareness", "consideration", "conversion")
    objective = [objectives.index(campaign.objective) for campaign in planted.CAMPAIGNS]
    return {
        "campaign_id": ids(number + 1, "K", 2),
        "campaign_name": codes(number, [campaign.name for campaign in planted.CAMPAIGNS]),
        "objective": codes(np.array(objective)[number], objectives),
        "product": codes(products, planted.PRODUCTS),
        "starts_on": dates(starts),
        "ends_on": dates(ends),
        "budget_amount": cents(np.where(final, budget, budget * 9 // 10)),
        "planned_holdout_share": decimals(holdout, 1, holdout == 0),
        "updated_at": timestamps(updated),
    }


@dataclass(frozen=True)
class Contacts:
    """Who was part of a campaign: customers' positions in the block and what happened.

    Shapes (assigned,); ``contacted_on`` is the first day with an impression, 0 if not reached.
    """

    member: Ints
    holdout: Mask
    contacted_on: Ints


def draw_engagements(
    config: Config, block: int, people: People, first_id: int
) -> tuple[Table, list[Contacts]]:
    """Engagements of a block in day order, and the contacts of each campaign."""
    rng = stream(config, block, "campaign_engagements")
    size = len(people.number)
    effect_income, effect_digital = planted.CTR_INCOME_EFFECT, planted.CTR_DIGITAL_EFFECT
    factor = np.exp(
        effect_income * people.income_z
        + effect_digital * people.digital_z
        - (effect_income**2 + effect_digital**2) / 2
    )
    mean = planted.CTR[people.group].copy()
    mean[:, :3] *= factor[:, None]
    mean *= rng.gamma(planted.CTR_TASTE_SHAPE, 1 / planted.CTR_TASTE_SHAPE, size)[:, None]
    mean = np.clip(mean, 1e-6, 0.8)
    own_ctr = rng.beta(
        mean * planted.CTR_CONCENTRATION, (1 - mean) * planted.CTR_CONCENTRATION, mean.shape
    )
    scale = config.engagements_per_customer / planted.BASE_ENGAGEMENTS
    share = min(0.95, planted.ASSIGN_SHARE * scale)
    extra = (1 + planted.EXTRA_ROWS) * planted.ASSIGN_SHARE * scale / share - 1
    levels: list[Ints] = []
    contacts = []
    for number, campaign in enumerate(planted.CAMPAIGNS):
        # A customer who has not joined, or stops before the outcome is known, is not addressed;
        # this holds for both arms alike, so the holdout stays a fair comparison.
        there = people.first <= campaign.starts
        there &= people.last >= min(campaign.ends + planted.OUTCOME_DAYS, AS_OF)
        chance = np.where(
            people.consents_on(campaign.starts), share, share * planted.ASSIGN_WITHOUT_CONSENT
        )
        member = np.flatnonzero(there & (rng.random(size) < chance))
        holdout = rng.random(len(member)) < (campaign.holdout or 0.0)
        reached = ~holdout & (rng.random(len(member)) < planted.REACH)
        rows = np.where(reached, 1 + rng.poisson(extra, len(member)), 1)
        position = np.repeat(np.arange(len(member)), rows)
        total = len(position)
        seen = reached[position]
        channel = np.array(campaign.channels)[
            choose(rng, (1 / len(campaign.channels),) * len(campaign.channels), total)
        ]
        channel = np.where(seen, channel, campaign.channels[0])
        first = np.full(total, campaign.starts)
        day = np.where(seen, between(rng, first, np.full(total, campaign.ends)), first)
        span = campaign.ends - campaign.starts + 1
        key = np.unique((position * 4 + channel) * span + day - campaign.starts)
        day, channel, position = campaign.starts + key % span, key // span % 4, key // (span * 4)
        contacted = np.full(len(member), AS_OF + 1)
        np.minimum.at(contacted, position, day)
        contacts.append(Contacts(member, holdout, np.where(reached, contacted, 0)))
        arms = np.where(holdout, 2, np.where(reached, 1, 0))[position]
        levels.append(
            np.column_stack([np.full(len(key), number), member[position], channel, day, arms])
        )
    number_, owner, channel, day, arm = np.concatenate(levels).T
    order = np.lexsort((channel, owner, number_, day))
    number_, owner, channel, day, arm = (
        part[order] for part in (number_, owner, channel, day, arm)
    )
    total = len(owner)
    impressions = np.where(arm == 1, 1 + rng.poisson(planted.IMPRESSIONS_EXTRA, total), 0)
    clicks = rng.binomial(impressions, own_ctr[owner, channel])
    opens = clicks + rng.binomial(impressions - clicks, planted.OPEN_RATE[people.group[owner]])
    conversions = rng.binomial(clicks, planted.CONVERSIONS_PER_CLICK)
    conversions += rng.binomial(impressions, planted.VIEW_CONVERSIONS)
    revenue = conversions * np.exp(4.6 + 0.8 * rng.standard_normal(total))
    width = config.event_width(config.engagements_per_customer)
    table = {
        "engagement_id": ids(first_id + np.arange(total), "E", width),
        "campaign_id": ids(number_ + 1, "K", 2),
        "customer_id": ids(people.number[owner], "C", config.customer_width),
        "channel": codes(channel, planted.CHANNELS),
        "occurred_on": dates(day),
        "is_holdout": bools(arm == 2),
        "impressions": ints(impressions),
        "opens": ints(opens, channel != 0),
        "clicks": ints(clicks),
        "conversions": ints(conversions),
        "revenue_amount": decimals(revenue, 2, conversions == 0),
        "cost_amount": cents(impressions * planted.CHANNEL_COST_CENTS[channel]),
    }
    return table, contacts


def draw_holdings(
    config: Config, block: int, people: People, contacts: list[Contacts], first_id: int
) -> tuple[Table, list[dict[str, list[int]]]]:
    """Product holdings of a block in order of opening, and what each campaign caused.

    The second value has, per campaign, counts by group of reached customers, of customers held
    out, and of openings that the campaign caused.
    """
    rng = stream(config, block, "product_holdings")
    size = len(people.number)
    products = len(planted.PRODUCTS)
    owners, kinds, days, closes = [], [], [], []
    bought = np.zeros((products, size), dtype=bool)

    def add(owner: Ints, kind: int, day: Ints, closed: Ints | None = None) -> None:
        owners.append(owner)
        kinds.append(np.full(len(owner), kind))
        days.append(day)
        closes.append(np.zeros(len(owner), dtype=np.int64) if closed is None else closed)

    recent_first, recent_last, _ = active_days(people, RECENT, AS_OF)
    earlier_first, earlier_last, _ = active_days(people, START, RECENT - 1)
    for kind in range(products):
        rate = planted.PURCHASE[kind][people.group]
        # The yes or no does not depend on how long a customer was active, only the day does:
        # so the planted yearly rate is exact for everyone, also for those who leave.
        owner = np.flatnonzero(rng.random(size) < rate)
        add(owner, kind, between(rng, recent_first[owner], recent_last[owner]))
        bought[kind, owner] = True
        yes = rng.random(size) < rate * (RECENT - START) / 365
        owner = np.flatnonzero(yes & (people.first < RECENT))
        add(owner, kind, between(rng, earlier_first[owner], earlier_last[owner]))
        bought[kind, owner] = True

    opened_by_day = [np.concatenate(days[2 * kind : 2 * kind + 2]) for kind in range(products)]
    opened_by = [np.concatenate(owners[2 * kind : 2 * kind + 2]) for kind in range(products)]
    effects = []
    for campaign, contact in zip(planted.CAMPAIGNS, contacts, strict=True):
        until = min(campaign.ends + planted.OUTCOME_DAYS, AS_OF)
        inside = (opened_by_day[campaign.product] >= campaign.starts) & (
            opened_by_day[campaign.product] <= until
        )
        converted = np.zeros(size, dtype=bool)
        converted[opened_by[campaign.product][inside]] = True
        group = people.group[contact.member]
        organic = converted[contact.member]
        window = (until - campaign.starts + 1) / 365
        base = planted.PURCHASE[campaign.product][group] * window
        # Those who buy anyway cannot be won: dividing keeps the rise exactly the planted lift.
        chance = np.array(campaign.lift)[group] / (1 - base)
        reached = contact.contacted_on > 0
        caused = reached & ~organic & (rng.random(len(group)) < chance)
        day = between(rng, contact.contacted_on, np.full(len(group), until))
        add(contact.member[caused], campaign.product, day[caused])
        bought[campaign.product, contact.member[caused]] = True
        effects.append(
            {
                "caused": np.bincount(group[caused], minlength=4).tolist(),
                "held_out": np.bincount(group[contact.holdout], minlength=4).tolist(),
                "reached": np.bincount(group[reached], minlength=4).tolist(),
            }
        )

    # Those who joined in the last year got everything through the purchases above.
    settled = people.first < RECENT
    joined_inside = people.first > START
    for kind in range(products):
        share = planted.older_holding_share(kind)[people.group]
        owner = np.flatnonzero(settled & ~bought[kind] & (rng.random(size) < share))
        before = START - 1 - np.floor(rng.random(len(owner)) * 2500).astype(np.int64)
        add(owner, kind, np.where(joined_inside[owner], people.first[owner], before))
        owner = np.flatnonzero(rng.random(size) < planted.PAST_HOLDING_SHARE / products)
        owner = owner[settled[owner] & ~joined_inside[owner]]
        before = START - 1 - np.floor(rng.random(len(owner)) * 2500).astype(np.int64)
        active = np.full(len(owner), START), people.last[owner]
        add(owner, kind, before, between(rng, *active))

    owner, kind_, day, closed = (np.concatenate(part) for part in (owners, kinds, days, closes))
    leaves = (people.churned_on[owner] > 0) & (closed == 0)
    leaves &= rng.random(len(owner)) < planted.CLOSES_AT_CHURN
    closed = np.where(leaves, people.churned_on[owner], closed)
    order = np.lexsort((kind_, owner, day))
    owner, kind_, day, closed = (part[order] for part in (owner, kind_, day, closed))
    updated = np.maximum(np.maximum(day, closed), START)
    table = {
        "holding_id": ids(first_id + np.arange(len(owner)), "H", config.event_width(6)),
        "customer_id": ids(people.number[owner], "C", config.customer_width),
        "product": codes(kind_, planted.PRODUCTS),
        "opened_on": dates(day),
        "closed_on": dates(closed, closed == 0),
        "updated_at": timestamps(updated * SECONDS_A_DAY + 20 * 3600),
    }
    return table, effects
