"""Clicks and purchases where it is known what a click does: nothing, or a planted rise.

Both rise with the impressions a customer sees, so that clickers buy more whatever a click does; and
some clickers buy at once, before the landmark. 200 segments of one run, the warehouse's own SQL on
a bare DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pytest
from evidence_sql import build, models_for, tables_of
from rendering import project_vars
from scipy import stats

SEGMENTS, CUSTOMERS, CAMPAIGNS = 200, 1_500, 2
CLICK_EFFECT = 0.06
VARS = project_vars()

INPUTS = f"""
create table as_of as select date '2026-06-30' as as_of_on;
create table stg_campaigns as
select 'K' || range as campaign_id, 'product_' || range as product from range({CAMPAIGNS});
create table customer_segments as
select distinct 'planted' as segmentation, customer_id, segment_id from spells;
create table int_adult_customers as select customer_id from customer_segments;
create table stg_campaign_engagements as
select 'K' || campaign as campaign_id, 'email' as channel, customer_id, first_on as occurred_on,
       false as is_holdout, impressions, clicks
from spells;
create table stg_product_holdings as
select customer_id, 'product_' || campaign as product,
       first_on + cast(days_at_once as integer) as opened_on
from spells where buys_at_once
union all
select customer_id, 'product_' || campaign,
       first_on + {VARS["landmark_days"]} + cast(days_later as integer)
from spells where buys_later;
"""


def draw(click_effect: float, seed: int) -> pd.DataFrame:
    """One row per customer and campaign: first day, impressions, clicks, and whether they buy."""
    rng = np.random.default_rng(seed)
    size = SEGMENTS * CUSTOMERS
    customer = np.repeat(np.arange(size), CAMPAIGNS)
    rows = len(customer)
    contact = np.repeat(rng.gamma(2.0, 1.5, size), CAMPAIGNS)
    impressions = np.minimum(1 + rng.poisson(contact), VARS["impression_strata"])
    # Own tastes for clicking and for buying, which have nothing to do with each other.
    own_ctr = np.repeat(rng.beta(2.0, 18.0, size), CAMPAIGNS)
    appetite = np.repeat(rng.gamma(2.0, 0.5, size), CAMPAIGNS)
    clicks = rng.binomial(impressions, own_ctr)
    at_once = rng.random(rows) < 0.15 * (clicks > 0)
    # Half of them on the very day they saw it.
    waiting = rng.integers(1, VARS["landmark_days"] + 1, rows)
    days_at_once = np.where(rng.random(rows) < 0.5, 0, waiting)
    later = 0.02 * impressions * appetite + click_effect * (clicks > 0)
    return pd.DataFrame(
        {
            "customer_id": [f"C{number}" for number in customer],
            "segment_id": customer // CUSTOMERS + 1,
            "campaign": np.tile(np.arange(CAMPAIGNS), size),
            "first_on": pd.Timestamp("2026-02-01").date(),
            "impressions": impressions,
            "clicks": clicks,
            "buys_at_once": at_once,
            "days_at_once": days_at_once,
            "buys_later": ~at_once & (rng.random(rows) < later),
            "days_later": rng.integers(1, VARS["follow_up_days"] + 1, rows),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    yield
    associations.cache_clear()


@cache
def associations(click_effect: float) -> pd.DataFrame:
    """segment_channel_purchase_association, one row per segment."""
    spells = draw(click_effect, seed=20260106)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("spells", spells)
        connection.execute(INPUTS)
        mart = "segment_channel_purchase_association"
        build(connection, models_for(mart, tables_of(connection)))
        found = connection.sql(f"select * from {mart} where not is_all_customers").df()
    assert len(found) == SEGMENTS
    assert not found["is_small_cell"].any()
    return found


def covering(found: pd.DataFrame, name: str, truth: float) -> int:
    return int(((found[f"{name}_low"] <= truth) & (truth <= found[f"{name}_high"])).sum())


def assert_covers_at_the_level(count: int) -> None:
    """Within the central 99.8 % of what independent intervals would do."""
    low, high = stats.binom.ppf([0.001, 0.999], SEGMENTS, VARS["confidence_level"])
    assert low <= count <= high


def test_a_click_that_does_nothing_is_not_credited_with_what_impressions_do() -> None:
    found = associations(0.0)
    assert_covers_at_the_level(covering(found, "purchase_difference", 0.0))
    assert (found["adjusted_p"] < 1 - VARS["confidence_level"]).sum() <= 1
    assert covering(found, "crude_difference", 0.0) < SEGMENTS / 2


def test_what_a_click_does_is_found() -> None:
    found = associations(CLICK_EFFECT)
    assert_covers_at_the_level(covering(found, "purchase_difference", CLICK_EFFECT))
    assert found["purchase_difference"].mean() == pytest.approx(CLICK_EFFECT, rel=0.05)
    assert (found["purchase_difference_low"] > 0).mean() > 0.9
