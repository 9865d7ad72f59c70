"""Says whether a campaign did different things in different segments, and pools its effects."""

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from segmentation.frames import CAMPAIGN_EFFECT_POOLING, conform
from segmentation.personas import Floats

KEYS = ["segmentation", "campaign_id", "outcome"]
GRID = 800
BISECTIONS = 60
# With two segments the spread between them has no proper posterior under a flat prior.
LEAST_SEGMENTS = 3


def pooled_effects(estimates: pd.DataFrame, *, confidence_level: float) -> pd.DataFrame:
    """Test effects for heterogeneity over segments and pool them partially.

    The test is Cochran's (Biometrics 10, 1954). The pooled effects are means of the posterior of a
    normal model with a flat prior of the mean and of the spread between segments: what restricted
    maximum likelihood would set the spread to is averaged over instead, since with few segments its
    maximum is often 0 and the intervals then far too short (Rubin, Journal of Educational
    Statistics 6, 1981; Gelman et al., Bayesian Data Analysis, 3rd ed., sec. 5.4).

    Args:
        estimates: one row per segmentation, campaign, outcome and segment: these four columns,
            `itt_effect` and `itt_error`, its standard error, in the outcome's unit; rows without an
            effect or with an error of 0 have nothing to say and are left out.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        One row per row of `estimates` that has its say, columns CAMPAIGN_EFFECT_POOLING; the test
        is NaN with fewer than two segments, the pooled effect with fewer than LEAST_SEGMENTS.
    """
    told = estimates[estimates["itt_effect"].notna() & (estimates["itt_error"] > 0)]
    parts = []
    for _, own in told.sort_values([*KEYS, "segment_id"]).groupby(KEYS, sort=True):
        effects, errors = own["itt_effect"].to_numpy(float), own["itt_error"].to_numpy(float)
        rows = own[[*KEYS, "segment_id"]].reset_index(drop=True)
        test = heterogeneity(effects, errors)
        pooled = (
            partially_pooled(effects, errors, confidence_level)
            if len(own) >= LEAST_SEGMENTS
            else {}
        )
        parts.append(rows.assign(**test, **pooled))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return conform(found.reindex(columns=list(CAMPAIGN_EFFECT_POOLING)), CAMPAIGN_EFFECT_POOLING)


def heterogeneity(effects: Floats, errors: Floats) -> dict[str, float | int | None]:
    """Cochran's Q of effects with standard errors, both of shape (segments,)."""
    if len(effects) < 2:
        return {}
    weights = errors**-2
    mean = (weights * effects).sum() / weights.sum()
    statistic = float((weights * (effects - mean) ** 2).sum())
    freedom = len(effects) - 1
    return {
        "heterogeneity_statistic": statistic,
        "heterogeneity_freedom": freedom,
        "heterogeneity_p": float(chi2.sf(statistic, freedom)),
    }


def partially_pooled(
    effects: Floats, errors: Floats, confidence_level: float
) -> dict[str, Floats | float]:
    """Posterior means and intervals of each segment's effect and of the spread between segments.

    Args:
        effects, errors: estimates and their standard errors, shape (segments,), at least three.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        `pooled_effect` and its ends, shape (segments,); `effect_spread` (the posterior median of
        the standard deviation between segments) and its ends, numbers.
    """
    # A tangent spreads the grid over all spreads from 0 on; its slope is the width of each step.
    unit = float(np.median(errors))
    angle = (np.arange(GRID) + 0.5) / GRID * np.pi / 2
    spread = unit * np.tan(angle)
    precision = 1 / (errors**2 + spread[:, None] ** 2)
    total = precision.sum(axis=1)
    mean = (precision * effects).sum(axis=1) / total
    log_density = (
        0.5 * np.log(precision).sum(axis=1)
        - 0.5 * np.log(total)
        - 0.5 * (precision * (effects - mean[:, None]) ** 2).sum(axis=1)
        - 2 * np.log(np.cos(angle))
    )
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    shrinkage = errors**2 * precision
    centre = effects - shrinkage * (effects - mean[:, None])
    deviation = np.sqrt((1 - shrinkage) * errors**2 + shrinkage**2 / total[:, None])
    tail = (1 - confidence_level) / 2
    low, high = (_quantile(weight, centre, deviation, share) for share in (tail, 1 - tail))
    reached = np.cumsum(weight)
    ends = [float(spread[np.searchsorted(reached, share)]) for share in (tail, 0.5, 1 - tail)]
    return {
        "pooled_effect": weight @ centre,
        "pooled_effect_low": low,
        "pooled_effect_high": high,
        "effect_spread": ends[1],
        "effect_spread_low": ends[0],
        "effect_spread_high": ends[2],
    }


def _quantile(weight: Floats, centre: Floats, deviation: Floats, share: float) -> Floats:
    """Quantile of each segment's mixture of normals, by bisection; shape (segments,)."""
    low = (centre - 10 * deviation).min(axis=0)
    high = (centre + 10 * deviation).max(axis=0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_below = weight @ norm.cdf((middle - centre) / deviation) < share
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    found: Floats = (low + high) / 2
    return found
