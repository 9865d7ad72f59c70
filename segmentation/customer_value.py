"""Fits the value models to the customers of a warehouse and scores all of them at once.

Purchases are days with at least one purchase and time is in whole days, so many customers share
their frequency and age: what depends on these alone is computed once for each pair.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation import value
from segmentation.frames import CUSTOMER_VALUE_DRAWS, CUSTOMER_VALUE_SCORES, conform
from segmentation.personas import Floats
from segmentation.value_baselines import (
    BASELINES,
    INTERVALS,
    LAST_YEAR,
    OUTCOMES,
    baseline_interval,
    baseline_of,
)

DRAWS = 100
# More customers would make a fit no better than its assumptions, and the draws slow.
MOST_FITTED = 20_000
FEWEST_DRAWS = 50
HORIZONS = (90, 365)
DAYS_PER_YEAR = 365
PERIOD_DAYS = 91
STEP = 1e-5
# Expectations make the squared error least, medians the absolute one, so the former decides.
SQUARED_ERROR = "root mean squared error"

NAMES = {"bg_nbd": "BG/NBD", "gamma_gamma": "Gamma-Gamma"}
REASONS = {
    "too_few": (
        f"Fewer than {value.FEWEST_CUSTOMERS} customers first seen inside the data can be fitted, "
        "or none of them bought again."
    ),
    "at_bound": (
        "The fit has no maximum: a parameter ran to its bound, as it does where customers do not "
        "leave, or do not differ."
    ),
    "not_converged": "The fit did not converge.",
}
NO_PURCHASE = "No purchase is in the data."
LEFT_TRUNCATED = (
    "The customer joined before the first day of the data or on an unknown day, was not fitted, "
    "and is scored from the first purchase seen."
)
NO_VALUE = "The value of a purchase has no expectation for this customer."
STANDS_IN = "The baseline stands for it."
UNTESTED = f"The model could not be tested on held-out time. {STANDS_IN}"
BOOTSTRAP = "parametric bootstrap of the fit, delta method on the logarithm"
WORSE = f"On held-out time the model predicts {{outcomes}} no better than a baseline. {STANDS_IN}"


# Starting threads costs more than they save on arrays this small.
@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]
def fit_value_models(
    histories: pd.DataFrame, *, random_seed: int, largest_correlation: float
) -> pd.DataFrame:
    """Fit BG/NBD and Gamma-Gamma, and both again to customers simulated from the fits.

    The parametric bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 6.5):
    the customers' ages, and for the values their frequencies, are kept; the rest is simulated.

    Args:
        histories: one row per customer: customer_id, frequency, recency_days, age_days,
            mean_purchase_value and is_left_truncated; frequency is null for customers without a
            purchase.
        random_seed: of the sample of MOST_FITTED customers, if there are more, and of the draws.
        largest_correlation: of frequency and value, before the reason warns of it.

    Returns:
        One row per model, draw and parameter, columns CUSTOMER_VALUE_DRAWS. Draw 0 is the fit; the
        others are there only if it converged. The estimate is NaN where a fit did not.
    """
    rng = np.random.default_rng(random_seed)
    frequency, recency, age, mean_value = fitted_customers(histories, rng)
    correlation = value.rank_correlation(frequency, mean_value)

    often = [value.fit_bg_nbd(frequency, recency, age)]
    if often[0].status == "converged":
        for _ in range(DRAWS):
            drawn = value.simulate_bg_nbd(often[0].parameters, age, rng)
            often.append(value.fit_bg_nbd(*drawn, age, start=often[0].parameters))
    much = [value.fit_gamma_gamma(frequency, mean_value)]
    if much[0].status == "converged":
        repeated = frequency[(frequency > 0) & (mean_value > 0)]
        for _ in range(DRAWS):
            values = value.simulate_gamma_gamma(much[0].parameters, repeated, rng)
            much.append(value.fit_gamma_gamma(repeated, values, start=much[0].parameters))

    warning = None
    if abs(correlation) > largest_correlation:
        warning = (
            f"Value goes with frequency (rank correlation {correlation:.2f}), and the model takes "
            "them to be independent."
        )
    rows = [
        {
            "model": model,
            "draw": draw,
            "parameter": parameter,
            "estimate": estimate,
            "fit_log_likelihood": fit.log_likelihood,
            "fit_status": fit.status,
            "reason": REASONS.get(fit.status, own_warning if draw == 0 else None),
            "customer_count": fit.customer_count,
            "frequency_value_correlation": own_correlation if draw == 0 else np.nan,
        }
        for model, fits, own_warning, own_correlation in (
            ("bg_nbd", often, None, np.nan),
            ("gamma_gamma", much, warning, correlation),
        )
        for draw, fit in enumerate(fits)
        for parameter, estimate in zip(value.PARAMETERS[model], fit.parameters, strict=True)
    ]
    return conform(pd.DataFrame(rows), CUSTOMER_VALUE_DRAWS)


def score_customers(
    histories: pd.DataFrame,
    draws: pd.DataFrame,
    scorecards: pd.DataFrame,
    *,
    last_year_days: float,
    clv_horizon_days: int,
    clv_discount_rate: float,
    confidence_level: float,
) -> pd.DataFrame:
    """What every customer is expected to buy, and what that is worth.

    Lifetime value is the sum over periods of PERIOD_DAYS of expected purchases times their expected
    value, discounted by the year from the middle of the period. Intervals are those of the
    expectation, of a model from the parameters' bootstrap covariance by the delta method on the
    logarithm (the logit for probabilities); a single customer will differ by much more.

    Args:
        histories: one row per customer: customer_id, frequency, recency_days, age_days,
            mean_purchase_value, is_left_truncated, last_year_purchase_count, last_year_amount,
            last_year_squared_amount and segment_id (NaN where there are no segments).
        draws: what `fit_value_models` returns.
        scorecards: what `value_scorecards` returns.
        last_year_days: days that last_year_purchase_count was counted over.
        clv_horizon_days: what lifetime value is summed over.
        clv_discount_rate: per year, 0.1 for 10 %.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        One row per customer, columns CUSTOMER_VALUE_SCORES. `basis` is model, where both fits
        converged and predict held-out time better than both baselines; else baseline, with the
        reason and without a probability of being active, which only a model has; or none, with
        nulls and the reason, where nobody bought anything, and for customers without a purchase
        beside a model.
    """
    ordered = histories.reset_index(drop=True)
    scores = ordered[["customer_id"]].reindex(columns=list(CUSTOMER_VALUE_SCORES))
    scores = scores.astype(dict(CUSTOMER_VALUE_SCORES))
    scores["basis"] = "none"
    scores["reason"] = NO_PURCHASE
    bought = ordered["frequency"].notna().to_numpy()
    if not bought.any():
        return conform(scores, CUSTOMER_VALUE_SCORES)
    discounts = _discounts(clv_horizon_days, clv_discount_rate)
    why, baselines = _verdict(draws, scorecards)
    if why is not None:
        discounted_days = float((discounts * _period_days(clv_horizon_days)).sum())
        for outcome, baseline in baselines.items():
            expected = baseline_of(baseline, ordered, outcome)
            ends = baseline_interval(baseline, ordered, outcome, confidence_level)
            days = {f"expected_{outcome}_{horizon}": float(horizon) for horizon in HORIZONS}
            if outcome == "revenue":
                days["clv"] = discounted_days
            for name, horizon in days.items():
                share = horizon / last_year_days
                scores[name] = expected * share
                scores[f"{name}_low"], scores[f"{name}_high"] = (end * share for end in ends)
            scores[f"{outcome}_baseline"] = baseline
        scores["basis"] = "baseline"
        scores["interval_method"] = "; ".join(
            f"{outcome}: {INTERVALS[baseline, outcome]}" for outcome, baseline in baselines.items()
        )
        scores["reason"] = why
        return conform(scores, CUSTOMER_VALUE_SCORES)
    known = ordered[bought]
    found = _model_scores(
        *_columns(known),
        {model: _draws_of(draws, model) for model in value.PARAMETERS},
        clv_horizon_days,
        discounts,
        float(norm.ppf(0.5 + confidence_level / 2)),
    )
    for column, figures in found.items():
        scores.loc[bought, column] = figures
    scores.loc[bought, "basis"] = "model"
    scores.loc[bought, "interval_method"] = BOOTSTRAP
    scores.loc[bought, "reason"] = None
    scores.loc[bought & ordered["is_left_truncated"].to_numpy(bool), "reason"] = LEFT_TRUNCATED
    scores.loc[bought & scores["clv"].isna().to_numpy(), "reason"] = NO_VALUE
    return conform(scores, CUSTOMER_VALUE_SCORES)


def predicted(
    histories: pd.DataFrame, often: Floats, much: Floats, horizon: float
) -> tuple[Floats, Floats]:
    """Expected purchases and revenue within `horizon` days.

    Args:
        histories: rows of `score_customers` with a purchase.
        often: parameters of BG/NBD.
        much: parameters of Gamma-Gamma.
        horizon: in days.

    Returns:
        Two figures per customer.
    """
    frequency, recency, age, mean_value = _columns(histories)
    purchases = value.expected_purchases(often, frequency, recency, age, horizon)
    return purchases, purchases * value.expected_value(much, frequency, mean_value)


def fitted_customers(
    histories: pd.DataFrame, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """Frequency, recency, age and mean value of the customers first seen inside the data.

    At most MOST_FITTED of them, drawn by `rng`.
    """
    is_known = histories["frequency"].notna() & ~histories["is_left_truncated"].astype(bool)
    known = histories[is_known].sort_values("customer_id")
    if len(known) > MOST_FITTED:
        known = known.iloc[np.sort(rng.choice(len(known), MOST_FITTED, replace=False))]
    return _columns(known)


def _columns(histories: pd.DataFrame) -> tuple[Floats, Floats, Floats, Floats]:
    frequency, recency, age, mean_value = (
        histories[column].to_numpy(float, na_value=np.nan)
        for column in ("frequency", "recency_days", "age_days", "mean_purchase_value")
    )
    return frequency, recency, age, mean_value


def _draws_of(draws: pd.DataFrame, model: str) -> Floats:
    """Parameters of the fit and of its converged draws, shape (1 + draws, parameters).

    One row of NaN where the fit did not converge.
    """
    own = draws[draws["model"] == model]
    if not len(own):
        return np.full((1, len(value.PARAMETERS[model])), np.nan)
    wide = own.pivot(index="draw", columns="parameter", values="estimate")
    found: Floats = wide[list(value.PARAMETERS[model])].sort_index().to_numpy(float)
    converged = ~np.isnan(found[1:]).any(axis=1)
    return np.concatenate([found[:1], found[1:][converged]])


def _status_of(draws: pd.DataFrame, model: str) -> str:
    statuses = draws.loc[(draws["model"] == model) & (draws["draw"] == 0), "fit_status"]
    return str(statuses.iloc[0]) if len(statuses) else "too_few"


def _verdict(draws: pd.DataFrame, scorecards: pd.DataFrame) -> tuple[str | None, dict[str, str]]:
    """Why a baseline is used, None where the model is; and which of the two for what."""
    squared = scorecards[scorecards["metric"].str.startswith(SQUARED_ERROR)]
    best = dict.fromkeys(OUTCOMES, LAST_YEAR)
    for outcome in best:
        own = squared[squared["model"] == f"customer_value_{outcome}"].set_index("metric")
        errors = own["baseline_value"].fillna(np.inf)
        best[outcome] = min(
            BASELINES, key=lambda name: errors.get(f"{SQUARED_ERROR} against {name}", np.inf)
        )
    for model in value.PARAMETERS:
        status = _status_of(draws, model)
        if status != "converged":
            return f"{NAMES[model]}: {REASONS[status]} {STANDS_IN}", best
    if squared.empty or squared["estimate"].isna().any():
        return UNTESTED, best
    lost = squared.loc[squared["use_baseline"].astype(bool), "model"]
    outcomes = " and ".join(sorted({model.split("_")[-1] for model in lost}))
    return (WORSE.format(outcomes=outcomes) if outcomes else None), best


def _period_ends(horizon_days: int) -> Floats:
    ends = np.arange(PERIOD_DAYS, horizon_days, PERIOD_DAYS, dtype=float)
    return np.append(ends, float(horizon_days))


def _period_days(horizon_days: int) -> Floats:
    lengths: Floats = np.diff(_period_ends(horizon_days), prepend=0.0)
    return lengths


def _discounts(horizon_days: int, rate: float) -> Floats:
    """What 1 in each period is worth today, from the period's middle."""
    middle = _period_ends(horizon_days) - _period_days(horizon_days) / 2
    found: Floats = (1 + rate) ** (-middle / DAYS_PER_YEAR)
    return found


def _model_scores(
    frequency: Floats,
    recency: Floats,
    age: Floats,
    mean_value: Floats,
    fits: dict[str, Floats],
    clv_horizon_days: int,
    discounts: Floats,
    z: float,
) -> dict[str, Floats]:
    """Every figure with its interval, one per customer."""
    pairs, place = np.unique(np.stack([frequency, age]), axis=1, return_inverse=True)

    def while_active(logarithms: Floats) -> Floats:
        """Logarithms of purchases in each horizon and of discounted ones, (pairs, horizons + 1)."""
        parameters = np.exp(logarithms)
        ends = [
            value.expected_while_active(parameters, pairs[0], pairs[1], float(end))
            for end in (*HORIZONS, *_period_ends(clv_horizon_days))
        ]
        later = np.diff(np.stack(ends[len(HORIZONS) :]), axis=0, prepend=0.0)
        found: Floats = np.log(np.stack([*ends[: len(HORIZONS)], discounts @ later], axis=1))
        return found

    def active(logarithms: Floats) -> Floats:
        found = value.log_odds_active(np.exp(logarithms), frequency, recency, age)
        # Infinite whatever the parameters are, so that nothing changes with them.
        return np.where(frequency > 0, found, 0.0)

    def worth(logarithms: Floats) -> Floats:
        found: Floats = np.log(value.expected_value(np.exp(logarithms), frequency, mean_value))
        return found

    often, much = (np.log(fits[model]) for model in ("bg_nbd", "gamma_gamma"))
    purchases, purchases_by = _with_slopes(while_active, often[0])
    odds, odds_by = _with_slopes(active, often[0])
    odds = np.where(frequency > 0, odds, np.inf)
    probability = expit(odds)
    error = _errors(odds_by, often)
    scores = _interval(
        "probability_active", probability, expit(odds - z * error), expit(odds + z * error)
    )
    mean, mean_by = _with_slopes(worth, much[0])
    mean_variance = _errors(mean_by, much) ** 2
    # The derivative of log probability by log odds.
    active_by = odds_by * (1 - probability)[:, None]
    log_probability = -np.logaddexp(0, -odds)
    for position, name in enumerate(("transactions_90", "transactions_365", "clv")):
        log_count = purchases[place, position] + log_probability
        variance = _errors(purchases_by[place, position] + active_by, often) ** 2
        if name != "clv":
            scores |= _around(f"expected_{name}", log_count, np.sqrt(variance), z)
            name = f"expected_{name.replace('transactions', 'revenue')}"
        scores |= _around(name, log_count + mean, np.sqrt(variance + mean_variance), z)
    return scores


def _with_slopes(function: Callable[[Floats], Floats], at: Floats) -> tuple[Floats, Floats]:
    """A function of logarithms of parameters, and its derivatives by each on a last axis."""
    here = function(at)
    slopes = [(function(at + step) - here) / STEP for step in STEP * np.eye(len(at))]
    return here, np.stack(slopes, axis=-1)


def _errors(slopes: Floats, logarithms: Floats) -> Floats:
    """Standard errors from slopes (..., parameters) and draws (1 + draws, parameters).

    NaN with fewer than FEWEST_DRAWS.
    """
    if len(logarithms) <= FEWEST_DRAWS:
        return np.full(slopes.shape[:-1], np.nan)
    covariance = np.cov(logarithms[1:], rowvar=False)
    variance = np.einsum("...i,ij,...j->...", slopes, covariance, slopes, optimize=True)
    found: Floats = np.sqrt(np.maximum(variance, 0))
    return found


def _around(name: str, logarithm: Floats, error: Floats, z: float) -> dict[str, Floats]:
    return _interval(
        name, np.exp(logarithm), np.exp(logarithm - z * error), np.exp(logarithm + z * error)
    )


def _interval(name: str, estimate: Floats, low: Floats, high: Floats) -> dict[str, Floats]:
    return {name: estimate, f"{name}_low": low, f"{name}_high": high}
