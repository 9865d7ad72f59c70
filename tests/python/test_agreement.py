"""Whether segments stand in the same order in every channel, on customers made up for it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.agreement import channel_order_agreement
from segmentation.frames import CHANNEL_ORDER_AGREEMENTS
from segmentation.personas import Floats

SETTINGS: dict[str, Any] = {
    "small_cell_customers": 200,
    "small_cell_events": 20,
    "random_seed": 1,
    "confidence_level": 0.95,
}
SAME: Floats = np.array([[0.10, 0.05, 0.08], [0.06, 0.03, 0.048], [0.02, 0.01, 0.016]])


def customers(ctr: Floats, rng: np.random.Generator, count: int = 800) -> pd.DataFrame:
    """Overdispersed customers of each segment, most of them seen in several channels.

    Args:
        ctr: expected clicks per impression, shape (segments, channels).
        rng: where chance comes from.
        count: customers a segment.

    Returns:
        One row per customer and channel: segment_id, customer_id, channel, clicks, impressions.
    """
    segments, channels = ctr.shape
    shape = (segments, count, channels)
    affinity = rng.gamma(2.5, 1 / 2.5, (segments, count, 1))
    impressions = rng.poisson(rng.gamma(2, 8, shape)) * (rng.random(shape) < 0.7)
    clicks = rng.binomial(impressions, np.minimum(1, ctr[:, None, :] * affinity))
    segment, customer, channel = np.nonzero(impressions)
    return pd.DataFrame(
        {
            "segment_id": segment + 1,
            "customer_id": segment * count + customer,
            "channel": np.array([f"channel {c}" for c in range(channels)])[channel],
            "clicks": clicks[segment, customer, channel].astype(float),
            "impressions": impressions[segment, customer, channel].astype(float),
        }
    )


def pair_sums(rows: pd.DataFrame, segmentation: str = "planted") -> pd.DataFrame:
    """What the model int_channel_pair_sums makes of customers."""
    pairs = rows.merge(rows, on=["segment_id", "customer_id"], suffixes=("", "_other"))
    pairs = pairs.rename(columns={"channel_other": "other_channel"})
    return (
        pairs.assign(
            clicks_times_clicks=pairs["clicks"] * pairs["clicks_other"],
            clicks_times_impressions=pairs["clicks"] * pairs["impressions_other"],
            impressions_times_impressions=pairs["impressions"] * pairs["impressions_other"],
        )
        .groupby(["segment_id", "channel", "other_channel"], as_index=False)
        .agg(
            customer_count=("customer_id", "size"),
            click_count=("clicks", "sum"),
            impression_count=("impressions", "sum"),
            clicks_times_clicks=("clicks_times_clicks", "sum"),
            clicks_times_impressions=("clicks_times_impressions", "sum"),
            impressions_times_impressions=("impressions_times_impressions", "sum"),
        )
        .assign(segmentation=segmentation)
    )


def judged(rows: pd.DataFrame, **changes: Any) -> Any:
    found = channel_order_agreement(pair_sums(rows), **SETTINGS | changes)
    assert len(found) == 1
    return next(found.itertuples())


def test_the_statistic_is_that_of_customers_own_residuals() -> None:
    rows = customers(SAME * [1, 1.3, 0.8], np.random.default_rng(3))
    row = judged(rows)
    segments, channels = 3, sorted(rows["channel"].unique())
    logs, joint = [], np.zeros((9, 9))
    for segment, own in rows.groupby("segment_id"):
        clicks = own.pivot(index="customer_id", columns="channel", values="clicks").fillna(0)
        shown = own.pivot(index="customer_id", columns="channel", values="impressions").fillna(0)
        logs.append(np.log(clicks.sum() / shown.sum()).to_numpy())
        residuals = (clicks / clicks.sum() - shown / shown.sum()).to_numpy()
        here = slice((segment - 1) * 3, segment * 3)
        joint[here, here] = residuals.T @ residuals
    contrast = np.array([[-1, 1, 0], [-1, 0, 1]])
    contrasts = np.kron(contrast, contrast)
    gaps = contrasts @ np.concatenate(logs)
    statistic = gaps @ np.linalg.solve(contrasts @ joint @ contrasts.T, gaps)
    assert row.interaction_statistic == pytest.approx(statistic, rel=1e-8)
    assert row.interaction_freedom == 4
    assert row.p == pytest.approx(stats.chi2.sf(statistic, 4), rel=1e-8)
    ctr = np.exp(np.array(logs))
    taus = [
        stats.kendalltau(ctr[:, one], ctr[:, other]).statistic
        for one, other in combinations(range(len(channels)), 2)
    ]
    assert row.rank_agreement == pytest.approx(np.mean(taus))
    assert row.segment_count == segments


def test_no_interaction_is_rejected_as_often_as_promised() -> None:
    rng = np.random.default_rng(11)
    p = np.array([judged(customers(SAME, rng, count=600)).p for _ in range(300)])
    # 300 draws at 5 %: a correct test leaves this band less than once in 1,000.
    assert 0.012 < (p < 0.05).mean() < 0.10


def test_the_same_profile_in_other_heights_changes_no_places() -> None:
    row = judged(customers(SAME, np.random.default_rng(5), count=4_000))
    assert row.p > 0.001
    assert row.rank_agreement == 1
    assert row.largest_reversal_high < 0.005


def test_a_planted_change_of_places_is_found_with_its_size() -> None:
    turned = SAME.copy()
    turned[:2, 2] = turned[1::-1, 2]
    row = judged(customers(turned, np.random.default_rng(6), count=4_000))
    assert row.p < 1e-6
    assert row.rank_agreement < 1
    # One leads by .10 - .06 in channel 0, the other by .08 - .048 in channel 2: the smaller.
    assert 0.005 < row.largest_reversal_low < 0.032 < row.largest_reversal_high


def test_a_reversal_that_is_not_there_is_seldom_found() -> None:
    tied: Floats = np.full((3, 3), 0.05)
    rng = np.random.default_rng(7)
    lows = [judged(customers(tied, rng, count=400)).largest_reversal_low for _ in range(200)]
    assert sum(low > 0 for low in lows) <= 5


def test_few_customers_or_clicks_are_marked_small() -> None:
    rng = np.random.default_rng(8)
    assert judged(customers(SAME, rng, count=150)).is_small_cell
    assert judged(customers(SAME * 0.05, rng)).is_small_cell
    assert not judged(customers(SAME, rng)).is_small_cell


def test_a_channel_without_clicks_leaves_no_figures() -> None:
    rows = customers(SAME, np.random.default_rng(9))
    rows.loc[rows["channel"] == "channel 1", "clicks"] = 0
    row = judged(rows)
    assert row.is_small_cell
    assert np.isnan(row.rank_agreement)
    assert pd.isna(row.interaction_freedom)


def test_nothing_handed_in_gives_a_frame_of_the_same_columns() -> None:
    empty = pair_sums(customers(SAME, np.random.default_rng(9)).iloc[:0])
    found = channel_order_agreement(empty, **SETTINGS)
    assert list(found.columns) == list(CHANNEL_ORDER_AGREEMENTS)
    assert len(found) == 0
