"""What segments gain over one action for all, in worlds where the gain is planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.policy import segmentation_values

LEVEL, WORLDS, CUSTOMERS, SPLITS = 0.95, 60, 3_000, 6
BASE = 0.2


def trial(effects: tuple[float, ...], rng: np.random.Generator, name: str = "K") -> pd.DataFrame:
    """A campaign with half held out, its effect by segment planted."""
    segment = rng.integers(0, len(effects), CUSTOMERS)
    is_treated = rng.random(CUSTOMERS) < 0.5
    bought = rng.random(CUSTOMERS) < BASE + np.array(effects)[segment] * is_treated
    return pd.DataFrame(
        {
            "campaign_id": name,
            "outcome": "conversion",
            "customer_id": np.arange(CUSTOMERS),
            "segment_id": segment + 1,
            "is_treated": is_treated.astype(float),
            "outcome_value": bought.astype(float),
            "treated_share": 0.5,
        }
    )


def values(customers: pd.DataFrame, splits: int = SPLITS) -> pd.DataFrame:
    return segmentation_values(
        customers, splits=splits, random_seed=20260630, confidence_level=LEVEL
    )


def worlds(effects: tuple[float, ...]) -> pd.DataFrame:
    """One row a world."""
    rng = np.random.default_rng(20260108)
    drawn = [trial(effects, rng).assign(segmentation=f"w{n:02d}") for n in range(WORLDS)]
    found = values(pd.concat(drawn, ignore_index=True))
    return found[~found["is_all_campaigns"]]


def check_coverage(found: pd.DataFrame, name: str, truth: float, least_rows: int) -> None:
    """Intervals hold the truth as often as they say, among the rows that have one.

    Where no split chose differently a gain is 0 without an interval: to count such rows as holding
    a truth of 0 would hide how often the others miss it.
    """
    told = found[found[f"{name}_low"].notna()]
    assert len(told) >= least_rows, f"{len(told)} of {len(found)} rows have an interval"
    assert (told[f"{name}_low"] < told[f"{name}_high"]).all()
    assert (found.loc[found[f"{name}_low"].isna(), name] == 0).all()
    held = ((told[f"{name}_low"] <= truth) & (told[f"{name}_high"] >= truth)).sum()
    assert held >= stats.binom.ppf(0.0005, len(told), LEVEL), f"{held} of {len(told)}"


def test_the_gain_of_treating_the_one_segment_it_helps_is_found() -> None:
    found = worlds((0.16, -0.14, -0.14, -0.14))
    truth = 0.16 / 4
    error = found["gain"].std() / np.sqrt(WORLDS)
    # A wrong choice now and then costs a little.
    assert -3.5 * error - 0.001 < found["gain"].mean() - truth < 3.5 * error
    check_coverage(found, "gain", truth, WORLDS)
    assert (found["gain_low"] > 0).mean() > 0.95
    assert (found["gain_over_random_low"] > 0).mean() > 0.95
    assert found["addressed_share"].mean() == pytest.approx(0.25, abs=0.02)
    assert found["one_action_share"].mean() < 0.1
    assert abs(found["random_gain"].mean()) < 0.01
    check_coverage(found, "random_gain", 0.0, 40)


# How many of the 60 worlds have an interval at least; at 0.12 every segment gets the campaign.
@pytest.mark.parametrize(("effect", "with_interval"), [(0.0, 60), (0.04, 50), (0.12, 0)])
def test_segments_gain_nothing_where_one_action_is_best_for_all(
    effect: float, with_interval: int
) -> None:
    found = worlds((effect,) * 4)
    check_coverage(found, "gain", 0.0, with_interval)
    check_coverage(found, "gain_over_random", 0.0, with_interval)
    if not with_interval:
        assert found["gain_low"].isna().sum() > WORLDS / 2
    assert (found["gain_low"] > 0).sum() <= stats.binom.ppf(0.9995, WORLDS, (1 - LEVEL) / 2)
    # What is chosen on half the customers cannot be better than the best for all.
    assert found["gain"].mean() < 3.5 * found["gain"].std() / np.sqrt(WORLDS)
    assert abs(found["gain_over_random"].mean()) < 0.002


def test_campaigns_together_count_a_customer_once_in_each() -> None:
    rng = np.random.default_rng(20260109)
    drawn = [trial((0.16, -0.14, -0.14, -0.14), rng, name) for name in ("K1", "K2")]
    found = values(pd.concat(drawn).assign(segmentation="s"))
    assert list(found["campaign_id"].fillna("all")) == ["K1", "K2", "all"]
    apart, together = found.iloc[:2], found.iloc[2]
    assert together["is_all_campaigns"] and together["campaign_count"] == 2
    assert together["customer_count"] == CUSTOMERS
    assert together["gain"] == pytest.approx(apart["gain"].mean())
    width = together["gain_high"] - together["gain_low"]
    assert width < 0.8 * (apart["gain_high"] - apart["gain_low"]).min()


def test_a_campaign_twice_over_the_same_customers_is_no_more_precise() -> None:
    one = trial((0.16, -0.14, -0.14, -0.14), np.random.default_rng(20260110), "K1")
    found = values(pd.concat([one, one.assign(campaign_id="K2")]).assign(segmentation="s"), 40)
    widths = found["gain_high"] - found["gain_low"]
    assert widths.iloc[2] == pytest.approx(widths.iloc[0], rel=0.1)


def test_the_order_of_the_rows_changes_nothing() -> None:
    one = trial((0.16, -0.14), np.random.default_rng(20260111)).assign(segmentation="s")
    pd.testing.assert_frame_equal(values(one), values(one.sample(frac=1, random_state=1)))


def test_without_a_campaign_there_is_no_row() -> None:
    none = trial((0.0, 0.0), np.random.default_rng(1)).assign(segmentation="s").iloc[:0]
    found = values(none)
    assert len(found) == 0 and "gain_low" in found


def amounts(effects: tuple[float, ...], rng: np.random.Generator) -> pd.DataFrame:
    """Skewed revenue (log-normal, of one in three) less a cost of 8 for each of the treated."""
    own = trial((0.0,) * len(effects), rng)
    spent = (rng.random(CUSTOMERS) < 1 / 3) * rng.lognormal(3.0, 1.0, CUSTOMERS)
    lift = np.array(effects)[own["segment_id"] - 1]
    value = spent + own["is_treated"] * (lift - 8)
    return own.assign(outcome="revenue_less_cost", outcome_value=value)


def test_costs_are_worth_saving_in_segments_that_a_campaign_does_not_move() -> None:
    """One of four gains 60 a head for a cost of 8, so sparing the three others is worth 6."""
    rng = np.random.default_rng(20260114)
    drawn = [
        amounts((60.0, 0.0, 0.0, 0.0), rng).assign(segmentation=f"w{n:02d}") for n in range(WORLDS)
    ]
    found = values(pd.concat(drawn, ignore_index=True))
    found = found[~found["is_all_campaigns"]]
    assert set(found["outcome"]) == {"revenue_less_cost"}
    check_coverage(found, "gain", 6.0, WORLDS)
    error = found["gain"].std() / np.sqrt(WORLDS)
    # Now and then an action is wrongly chosen, which costs a little.
    assert -3.5 * error - 0.15 < found["gain"].mean() - 6.0 < 3.5 * error


def test_outcomes_are_valued_apart() -> None:
    one = trial((0.16, -0.14), np.random.default_rng(20260115)).assign(segmentation="s")
    other = one.assign(outcome="revenue_less_cost", outcome_value=3 * one["outcome_value"])
    found = values(pd.concat([one, other], ignore_index=True))
    assert list(found["outcome"]) == ["conversion"] * 2 + ["revenue_less_cost"] * 2
    assert found["gain"].iloc[2] == pytest.approx(3 * found["gain"].iloc[0])


def test_a_segment_without_one_of_the_arms_gets_the_action_for_all() -> None:
    own = trial((0.15, 0.15), np.random.default_rng(20260112)).assign(segmentation="s")
    lonely = own["segment_id"] == 2
    found = values(own[~lonely | (own["is_treated"] == 1)])
    assert (found["addressed_share"] == 1).all()
    assert found["gain"].abs().max() == 0
    assert found["gain_low"].isna().all() and found["gain_high"].isna().all()
