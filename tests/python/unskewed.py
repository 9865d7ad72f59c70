"""Intervals with the skewness removed, from the customers themselves and apart from the SQL.

The transformation of Hall (JRSS B 54, 1992) is inverted here by root finding, where the SQL has
its closed form; what it needs is taken from centred customers, where the SQL has sums of powers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats


@dataclass(frozen=True)
class Estimate:
    """An estimate with its standard error, its third cumulant, and the covariance of the
    squared error with it (what a ratio's denominator adds to that of a mean)."""

    value: float
    error: float
    cumulant: float
    covariance: float = 0.0

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.value - other.value,
            math.hypot(self.error, other.error),
            self.cumulant - other.cumulant,
            self.covariance - other.covariance,
        )

    def transformed(self, truth: float) -> float:
        """A standard normal deviate, up to terms of the order of one over the customers."""
        deviate = (self.value - truth) / self.error
        bend = (self.cumulant / 3 - self.covariance) / self.error**3
        shift = self.cumulant / 6 / self.error**3
        return deviate + bend * deviate**2 + bend**2 * deviate**3 / 3 + shift

    def p(self) -> float | None:
        """Two-sided p of 0; None where nothing varies."""
        return float(2 * stats.norm.sf(abs(self.transformed(0)))) if self.error > 0 else None

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The values whose deviate lies within the normal quantiles."""
        if math.isnan(self.error) or self.error == 0:
            return self.value - self.error, self.value + self.error
        z = float(stats.norm.ppf((1 + level) / 2))
        reach = 1e3 * self.error
        low, high = (
            optimize.brentq(
                lambda truth, end=end: self.transformed(truth) - end,
                self.value - reach,
                self.value + reach,
                xtol=1e-14 * self.error,
                rtol=1e-14,
                maxiter=500,
            )
            for end in (z, -z)
        )
        return float(low), float(high)


def mean_of(values: np.ndarray) -> Estimate:
    """The mean of one number per customer; without an error for fewer than two."""
    n = len(values)
    if n < 2:
        return Estimate(float(values.mean()) if n else math.nan, math.nan, math.nan)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(float(values.mean()), error, float(stats.moment(values, 3)) / n**2)


def ratio_of(y: np.ndarray, x: np.ndarray) -> Estimate:
    """The sum of y over the sum of x, each with one number per customer."""
    n, total = len(y), float(x.sum())
    if total == 0:
        return Estimate(math.nan, math.nan, math.nan)
    ratio = float(y.sum()) / total
    residual = y - ratio * x
    squares = float(residual @ residual)
    error = math.sqrt(n / (n - 1) * squares) / total if n > 1 else math.nan
    cumulant = float((residual**3).sum()) / total**3
    return Estimate(ratio, error, cumulant, squares * float(residual @ x) / total**4)
