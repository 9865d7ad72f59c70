"""Heterogeneity and pooling of effects, against published figures and quadrature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from segmentation.effects import heterogeneity, partially_pooled, pooled_effects

# Coaching in eight schools (Rubin, Journal of Educational Statistics 6, 1981).
EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def density(spread: float, effects: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """Restricted likelihood of a spread, and the mean effect and its variance given it."""
    variances = errors**2 + spread**2
    total = (1 / variances).sum()
    mean = (effects / variances).sum() / total
    likelihood = np.exp(-((effects - mean) ** 2 / variances).sum() / 2)
    return float(likelihood / np.sqrt(variances.prod() * total)), float(mean), float(1 / total)


def integrated(expectation: int, effects: np.ndarray, errors: np.ndarray) -> float:
    """Posterior mean of a segment's effect by adaptive quadrature over the spread."""

    def mean_at(spread: float) -> float:
        weight, mean, _ = density(spread, effects, errors)
        kept = spread**2 / (errors[expectation] ** 2 + spread**2)
        return weight * (mean + kept * (effects[expectation] - mean))

    above = integrate.quad(mean_at, 0, np.inf, limit=500)[0]
    below = integrate.quad(lambda s: density(s, effects, errors)[0], 0, np.inf, limit=500)[0]
    return float(above / below)


def test_eight_schools_come_out_as_published() -> None:
    """Table 5.3 of Bayesian Data Analysis, whose ends come from 200 draws."""
    found = partially_pooled(EFFECTS, ERRORS, 0.95)
    low = [-2, -5, -11, -7, -9, -7, -1, -6]
    high = [31, 23, 19, 21, 18, 28, 26, 33]
    assert list(found["pooled_effect_low"]) == pytest.approx(low, abs=3.5)
    assert list(found["pooled_effect_high"])[:5] == pytest.approx(high[:5], abs=3.5)
    assert found["effect_spread"] == pytest.approx(5.0, abs=0.5)


def test_pooled_effects_are_those_of_quadrature() -> None:
    for effects, errors in ((EFFECTS, ERRORS), (EFFECTS[:4] / 100, ERRORS[:4] / 1000)):
        found = partially_pooled(effects, errors, 0.95)["pooled_effect"]
        expected = [integrated(number, effects, errors) for number in range(len(effects))]
        assert list(np.atleast_1d(found)) == pytest.approx(expected, rel=2e-3)


def test_ends_hold_the_level_of_the_mixture() -> None:
    found = partially_pooled(EFFECTS, ERRORS, 0.9)
    rng = np.random.default_rng(20260113)
    grid = np.linspace(0.001, 150, 60_000)
    weight = np.array([density(spread, EFFECTS, ERRORS)[0] for spread in grid])
    spread = rng.choice(grid, 40_000, p=weight / weight.sum())
    precision = 1 / (ERRORS**2 + spread[:, None] ** 2)
    mean = (precision * EFFECTS).sum(1) / precision.sum(1)
    mean += rng.standard_normal(len(mean)) / np.sqrt(precision.sum(1))
    kept = spread[:, None] ** 2 * precision
    drawn = mean[:, None] + kept * (EFFECTS - mean[:, None])
    drawn += np.sqrt(kept) * ERRORS * rng.standard_normal(drawn.shape)
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    assert list(found["pooled_effect_low"]) == pytest.approx(list(low), abs=0.6)
    assert list(found["pooled_effect_high"]) == pytest.approx(list(high), abs=0.6)


def test_heterogeneity_is_cochrans() -> None:
    found = heterogeneity(EFFECTS, ERRORS)
    mean = np.average(EFFECTS, weights=ERRORS**-2.0)
    statistic = (((EFFECTS - mean) / ERRORS) ** 2).sum()
    assert found["heterogeneity_statistic"] == pytest.approx(statistic)
    assert found["heterogeneity_p"] == pytest.approx(stats.chi2.sf(statistic, 7))
    # As published with the data.
    assert found["heterogeneity_p"] == pytest.approx(0.70, abs=0.02)


def estimates(effects: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "segmentation": "s",
            "campaign_id": "K",
            "outcome": "conversion",
            "segment_id": range(1, len(effects) + 1),
            "itt_effect": np.array(effects, dtype=float),
            "itt_error": 0.1,
        }
    )


def test_few_segments_are_tested_and_not_pooled() -> None:
    found = pooled_effects(estimates([0.1, 0.2, None]), confidence_level=0.95)
    assert list(found["segment_id"]) == [1, 2]
    assert found["heterogeneity_freedom"].eq(1).all()
    assert found["pooled_effect"].isna().all()
    alone = pooled_effects(estimates([0.1]), confidence_level=0.95)
    assert alone[["heterogeneity_p", "pooled_effect"]].isna().all(axis=None)
    assert len(pooled_effects(estimates([]), confidence_level=0.95)) == 0
