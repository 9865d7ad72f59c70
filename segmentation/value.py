"""How often customers will buy and what a purchase is worth: BG/NBD and Gamma-Gamma.

A customer is three numbers in one unit of time: the frequency x (purchases after the first), the
recency t (when the last of them was, after the first) and the age T (time since the first), with
0 <= t <= T. The value of a purchase is the mean over those x purchases.

Sources: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24, 2005
("the paper" below); Fader and Hardie, The Gamma-Gamma Model of Monetary Value, 2013 ("the note").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln, hyp2f1
from scipy.stats import spearmanr

from segmentation.personas import Floats

BG_NBD = ("r", "alpha", "a", "b")
GAMMA_GAMMA = ("p", "q", "gamma")
PARAMETERS = {"bg_nbd": BG_NBD, "gamma_gamma": GAMMA_GAMMA}

# Relative to a unit in which the mean age, or the mean value, is 1. A likelihood that still rises
# out here has no maximum: customers do not differ in what the parameter describes.
LEAST = 1e-4
GREATEST = {"bg_nbd": 1e2, "gamma_gamma": 1e4}
# Of the mean log-likelihood by the logarithms of the parameters, at a maximum inside the bounds.
LARGEST_GRADIENT = 1e-4
FEWEST_CUSTOMERS = 20
# Nearer to the removable singularities of the closed form than this, it loses all its digits.
CLOSEST = 1e-6

Objective = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class Fit:
    """One fit by maximum likelihood.

    Attributes:
        parameters: in the order of `PARAMETERS`; NaN where the status is not converged.
        log_likelihood: at the parameters; NaN where the status is too_few.
        status: converged, at_bound, not_converged or too_few.
        customer_count: customers the likelihood is summed over.
    """

    parameters: Floats
    log_likelihood: float
    status: str
    customer_count: int


# --- how often ---


def bg_nbd_log_likelihood(
    parameters: Floats, frequency: Floats, recency: Floats, age: Floats
) -> tuple[float, Floats]:
    """The log-likelihood of BG/NBD and its gradient by the logarithms of the parameters.

    The paper's eq. 6, its two terms added in log space.

    Args:
        parameters: r, alpha, a, b, all above 0.
        frequency: purchases after the first, one per customer.
        recency: time from the first to the last purchase.
        age: time since the first purchase, in the unit of recency.

    Returns:
        The sum over customers, and four derivatives.
    """
    r, alpha, a, b = parameters
    x, repeated = frequency, frequency > 0
    # Most customers share their few purchases with others.
    counts, place = np.unique(x, return_inverse=True)
    common = (gammaln(r + counts) - gammaln(r) + r * np.log(alpha))[place]
    common += (betaln(a, b + counts) - betaln(a, b))[place]
    active = -(r + x) * np.log(alpha + age)
    before = np.where(repeated, b + x - 1, 1.0)
    gone = np.where(
        repeated, np.log(a) - np.log(before) - (r + x) * np.log(alpha + recency), -np.inf
    )
    either = np.logaddexp(active, gone)
    still = np.exp(active - either)
    left = 1 - still
    by_sum = digamma(a + b) - digamma(a + b + counts)[place]
    gradient = np.array(
        [
            (digamma(r + counts) - digamma(r) + np.log(alpha))[place].sum()
            - (still * np.log(alpha + age) + left * np.log(alpha + recency)).sum(),
            (r / alpha - (r + x) * (still / (alpha + age) + left / (alpha + recency))).sum(),
            (by_sum + left / a).sum(),
            (by_sum + (digamma(b + counts) - digamma(b))[place] - left / before).sum(),
        ]
    )
    return float((common + either).sum()), gradient * parameters


def fit_bg_nbd(frequency: Floats, recency: Floats, age: Floats, start: Floats | None = None) -> Fit:
    """Fit BG/NBD by maximum likelihood.

    Args:
        frequency: purchases after the first, one per customer.
        recency: time from the first to the last purchase.
        age: time since the first purchase, in the unit of recency.
        start: parameters near the maximum, where they are known.

    Returns:
        The fit, alpha in the unit of the ages. `too_few` with fewer than FEWEST_CUSTOMERS customers
        or without any repeated purchase.
    """
    count = len(frequency)
    if count < FEWEST_CUSTOMERS or not frequency.any() or not age.any():
        return Fit(np.full(len(BG_NBD), np.nan), np.nan, "too_few", count)
    unit = float(age.mean())
    scaled = np.array([1.0, unit, 1.0, 1.0])

    def objective(logarithms: Floats) -> tuple[float, Floats]:
        found, gradient = bg_nbd_log_likelihood(
            np.exp(logarithms), frequency, recency / unit, age / unit
        )
        return -found / count, -gradient / count

    rate = max(float(frequency.mean()), LEAST)
    starts = [start / scaled] if start is not None else []
    starts += [
        np.array([shape, shape / rate, a, b])
        for shape, a, b in ((0.5, 0.5, 2.0), (2.0, 1.0, 5.0), (0.2, 0.1, 1.0))
    ]
    fit = _maximum(objective, starts, GREATEST["bg_nbd"], count, start is not None)
    # A density of times in another unit.
    shift = float(frequency.sum()) * np.log(unit)
    return Fit(fit.parameters * scaled, fit.log_likelihood - shift, fit.status, count)


def log_odds_active(parameters: Floats, frequency: Floats, recency: Floats, age: Floats) -> Floats:
    """The logarithm of the odds that a customer still buys at the end of the age.

    From the denominator of the paper's eq. 10; Fader and Hardie, Computing P(alive) Using the
    BG/NBD Model, 2008. Infinite for a customer who bought once: the model lets customers leave
    only right after a repeated purchase.
    """
    r, alpha, a, b = parameters
    repeated = frequency > 0
    odds = np.log(np.where(repeated, b + frequency - 1, 1.0)) - np.log(a)
    odds -= (r + frequency) * (np.log(alpha + age) - np.log(alpha + recency))
    found: Floats = np.where(repeated, odds, np.inf)
    return found


def probability_active(
    parameters: Floats, frequency: Floats, recency: Floats, age: Floats
) -> Floats:
    """The probability that a customer still buys at the end of the age, one per customer."""
    found: Floats = expit(log_odds_active(parameters, frequency, recency, age))
    return found


def expected_while_active(
    parameters: Floats, frequency: Floats, age: Floats, horizon: float
) -> Floats:
    """Purchases expected within `horizon` of a customer who is active now.

    The numerator of the paper's eq. 10. Its 2F1 overflows where purchases are many; by Pfaff's
    transformation (Abramowitz and Stegun, 15.3.4) its product with the power beside it is
    (1 - z)^(a - 1) 2F1(a - 1, a + b - 1 - r; a + b + x - 1; z), z = horizon / (alpha + T +
    horizon), whose series converges the faster the more purchases there are. At a = 1 and
    a + b + x = 1 the closed form is 0 / 0; there it is taken a millionth aside. Where r - a is
    whole scipy's 2F1 overflows, and it is the mean of both sides: r may itself be small.
    """
    r, alpha, a, b = parameters
    a = a if abs(a - 1) > CLOSEST else 1 + CLOSEST
    b = b if abs(a + b - 1) > CLOSEST else b + CLOSEST
    if abs(r - a - round(r - a)) <= CLOSEST:
        beside = [
            expected_while_active(np.array([r + side, alpha, a, b]), frequency, age, horizon)
            for side in (-2 * CLOSEST, 2 * CLOSEST)
        ]
        mean: Floats = (beside[0] + beside[1]) / 2
        return mean
    third = a + b + frequency - 1
    z = horizon / (alpha + age + horizon)
    unbought = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a - 1, a + b - 1 - r, third, z)
    found: Floats = third / (a - 1) * (1 - unbought)
    return found


def expected_purchases(
    parameters: Floats, frequency: Floats, recency: Floats, age: Floats, horizon: float
) -> Floats:
    """Purchases expected within `horizon` from now (the paper's eq. 10), one per customer."""
    while_active = expected_while_active(parameters, frequency, age, horizon)
    return while_active * probability_active(parameters, frequency, recency, age)


def simulate_bg_nbd(
    parameters: Floats, age: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Frequency and recency of customers who follow BG/NBD with these ages (the paper, sec. 2)."""
    r, alpha, a, b = parameters
    count = len(age)
    rate = np.maximum(rng.gamma(r, 1 / alpha, count), np.finfo(float).tiny)
    leaves = rng.beta(a, b, count)
    frequency, recency = np.zeros(count), np.zeros(count)
    buying, now = np.arange(count), np.zeros(count)
    while len(buying):
        now = now + rng.exponential(1 / rate[buying])
        bought = now <= age[buying]
        buying, now = buying[bought], now[bought]
        frequency[buying] += 1
        recency[buying] = now
        stays = rng.random(len(buying)) >= leaves[buying]
        buying, now = buying[stays], now[stays]
    return frequency, recency


# --- how much ---


def gamma_gamma_log_likelihood(
    parameters: Floats, frequency: Floats, mean_value: Floats
) -> tuple[float, Floats]:
    """The log-likelihood of Gamma-Gamma and its gradient by the logarithms of the parameters.

    The note's eq. 1a.

    Args:
        parameters: p, q, gamma, all above 0.
        frequency: purchases that the mean is over, at least 1, one per customer.
        mean_value: above 0.

    Returns:
        The sum over customers, and three derivatives.
    """
    p, q, gamma = parameters
    x, total = frequency, frequency * mean_value
    counts, place = np.unique(x, return_inverse=True)
    both = np.log(gamma + total)
    likelihood = (gammaln(p * counts + q) - gammaln(p * counts))[place] - gammaln(q)
    likelihood = likelihood + q * np.log(gamma) + p * x * np.log(total)
    likelihood = likelihood - np.log(mean_value) - (p * x + q) * both
    by_sum = digamma(p * counts + q)
    gradient = np.array(
        [
            ((counts * (by_sum - digamma(p * counts)))[place] + x * (np.log(total) - both)).sum(),
            (by_sum[place] - digamma(q) + np.log(gamma) - both).sum(),
            (q / gamma - (p * x + q) / (gamma + total)).sum(),
        ]
    )
    return float(likelihood.sum()), gradient * parameters


def fit_gamma_gamma(frequency: Floats, mean_value: Floats, start: Floats | None = None) -> Fit:
    """Fit Gamma-Gamma by maximum likelihood to the customers with a repeated purchase.

    Args:
        frequency: purchases after the first, one per customer.
        mean_value: mean value of those purchases; customers whose value is not above 0 are left
            out, for the model knows none.
        start: parameters near the maximum, where they are known.

    Returns:
        The fit, gamma in the unit of the values. `too_few` with fewer than FEWEST_CUSTOMERS
        customers left.
    """
    valued = (frequency > 0) & (np.nan_to_num(mean_value) > 0)
    x, value, count = frequency[valued], mean_value[valued], int(valued.sum())
    if count < FEWEST_CUSTOMERS:
        return Fit(np.full(len(GAMMA_GAMMA), np.nan), np.nan, "too_few", count)
    unit = float(np.exp(np.log(value).mean()))
    scaled = np.array([1.0, 1.0, unit])

    def objective(logarithms: Floats) -> tuple[float, Floats]:
        found, gradient = gamma_gamma_log_likelihood(np.exp(logarithms), x, value / unit)
        return -found / count, -gradient / count

    starts = [start / scaled] if start is not None else []
    starts += [np.array([2.0, 3.0, 2.0]), np.array([10.0, 4.0, 0.5]), np.array([1.0, 10.0, 10.0])]
    fit = _maximum(objective, starts, GREATEST["gamma_gamma"], count, start is not None)
    shift = count * np.log(unit)
    return Fit(fit.parameters * scaled, fit.log_likelihood - shift, fit.status, count)


def expected_value(parameters: Floats, frequency: Floats, mean_value: Floats) -> Floats:
    """The mean value of a customer's purchases to come (the note's eq. 5).

    Args:
        parameters: p, q, gamma.
        frequency: purchases that the mean is over, 0 for a customer who bought once.
        mean_value: read only where frequency is above 0.

    Returns:
        One per customer; NaN where the distribution has no mean (p x + q <= 1).
    """
    p, q, gamma = parameters
    total = frequency * np.where(frequency > 0, mean_value, 0.0)
    weight = p * frequency + q - 1
    found: Floats = np.where(
        weight > 0, p * (gamma + total) / np.where(weight > 0, weight, 1), np.nan
    )
    return found


def simulate_gamma_gamma(parameters: Floats, frequency: Floats, rng: np.random.Generator) -> Floats:
    """Mean values of customers who follow Gamma-Gamma; `frequency` at least 1."""
    p, q, gamma = parameters
    rate = np.maximum(rng.gamma(q, 1 / gamma, len(frequency)), np.finfo(float).tiny)
    found: Floats = np.maximum(rng.gamma(p * frequency) / (rate * frequency), np.finfo(float).tiny)
    return found


def rank_correlation(frequency: Floats, mean_value: Floats) -> float:
    """Spearman's correlation of frequency and value, which Gamma-Gamma takes to be independent.

    Returns:
        Over the customers with a repeated purchase and a value; NaN where one does not vary.
    """
    valued = (frequency > 0) & (np.nan_to_num(mean_value) > 0)
    x, value = frequency[valued], mean_value[valued]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(value) == 0:
        return float("nan")
    return float(spearmanr(x, value).statistic)


# --- both ---


def _maximum(
    objective: Objective, starts: list[Floats], greatest: float, count: int, is_near: bool
) -> Fit:
    """The best of the maxima found from the starts, or from the first where that is near one.

    The objective is per customer and negative.
    """
    low, high = np.log(LEAST), np.log(greatest)
    # A search that starts near is a bootstrap's, whose own spread is a hundred times what stopping
    # earlier changes.
    ftol, gtol = (1e-10, 1e-5) if is_near else (1e-13, 1e-7)
    found = [
        minimize(
            objective,
            np.clip(np.log(start), low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=[(low, high)] * len(start),
            options={"ftol": ftol, "gtol": gtol, "maxiter": 500},
        )
        for start in starts[: 1 if is_near else None]
    ]
    best = min(found, key=lambda result: float(result.fun))
    unknown = np.full(len(best.x), np.nan)
    if not np.isfinite(best.fun):
        return Fit(unknown, float("nan"), "not_converged", count)
    likelihood = -float(best.fun) * count
    if ((best.x <= low + 1e-6) | (best.x >= high - 1e-6)).any():
        return Fit(unknown, likelihood, "at_bound", count)
    if np.abs(best.jac).max() > LARGEST_GRADIENT:
        return Fit(unknown, likelihood, "not_converged", count)
    return Fit(np.exp(best.x), likelihood, "converged", count)
