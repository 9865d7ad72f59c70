"""Judges the value models on time they have not seen, against two simple baselines."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata, spearmanr
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation import value
from segmentation.customer_value import NAMES, REASONS, SQUARED_ERROR, fitted_customers, predicted
from segmentation.frames import MODEL_SCORECARDS, conform
from segmentation.personas import Floats
from segmentation.value_baselines import BASELINES, baseline_of

ABSOLUTE_ERROR = "mean absolute error"
CORRELATION = "rank correlation"
DECILES = 10
PAIRED = "; the difference from the baseline is paired"
METHOD = {
    SQUARED_ERROR: f"delta method over customers{PAIRED}",
    ABSOLUTE_ERROR: f"normal over customers{PAIRED}",
    CORRELATION: "Spearman, Fisher's z with the variance of Bonett and Wright",
    "bias": "predicted less observed, normal over customers",
    "decile": (
        "predicted less observed, normal over customers in tenths by prediction, those of the "
        "baseline by its own"
    ),
}
OBSERVED = {"transactions": "held_out_purchase_count", "revenue": "held_out_amount"}
NO_HELD_OUT_PURCHASE = "nobody bought in the time held out"


# As in `fit_value_models`.
@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]
def value_scorecards(
    histories: pd.DataFrame,
    *,
    last_year_days: float,
    held_out_days: float,
    random_seed: int,
    confidence_level: float,
) -> pd.DataFrame:
    """Fit the models to the first part of the time and predict the rest.

    Rank correlation: Bonett and Wright, Psychometrika 65, 2000. Whether the baseline is used is
    decided by the root mean squared error alone: an expectation makes the squared error least,
    while the absolute error is least for medians, which for purchases are mostly 0.

    Args:
        histories: one row per customer with a purchase in the first part, as of its last day:
            customer_id, frequency, recency_days, age_days, mean_purchase_value, is_left_truncated,
            last_year_purchase_count, last_year_amount and segment_id, and of the rest of the time
            held_out_purchase_count and held_out_amount.
        last_year_days: days that last_year_purchase_count was counted over.
        held_out_days: days of the rest of the time.
        random_seed: of the sample a fit is made from, where customers are many.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        One row per model (customer_value_transactions, customer_value_revenue), metric and
        baseline, columns MODEL_SCORECARDS. Where a model could not be fitted to the first part, or
        the rest has no purchase, the estimates are NaN, the method says why it was not judged, the
        errors of the baselines are there, and use_baseline is true.
    """
    z = float(norm.ppf(0.5 + confidence_level / 2))
    ordered = histories.sort_values("customer_id", ignore_index=True)
    predictions, problems = _predictions(ordered, held_out_days, random_seed)
    share = held_out_days / last_year_days if last_year_days > 0 else np.nan
    rows: list[dict[str, object]] = []
    for outcome, observed in OBSERVED.items():
        own, problem = predictions[outcome], problems[outcome]
        actual = ordered[observed].to_numpy(float)
        if problem is None and not actual.any():
            own, problem = np.full(len(own), np.nan), NO_HELD_OUT_PURCHASE
        known = np.isfinite(own) | (problem is not None)
        others = {name: share * baseline_of(name, ordered, outcome)[known] for name in BASELINES}
        own, actual = own[known], actual[known]
        loss = _mean((own - actual) ** 2, z)[0]
        beaten = all(loss < _mean((other - actual) ** 2, z)[0] for other in others.values())
        shared = {
            "model": f"customer_value_{outcome}",
            "split": "time",
            "use_baseline": not beaten,
        }
        rows += [
            shared
            | row
            | ({"method": f"{row['method']}; not judged: {problem}"} if problem else {})
            for name, other in others.items()
            for row in _rows(own, name, other, actual, z)
        ]
    return conform(pd.DataFrame(rows), MODEL_SCORECARDS)


def _predictions(
    histories: pd.DataFrame, horizon: float, random_seed: int
) -> tuple[dict[str, Floats], dict[str, str | None]]:
    """By outcome: what the models expect of each customer, and why they expect nothing.

    The expectations are NaN where there is such a reason.
    """
    frequency, recency, age, mean_value = fitted_customers(
        histories, np.random.default_rng(random_seed)
    )
    often = value.fit_bg_nbd(frequency, recency, age)
    much = value.fit_gamma_gamma(frequency, mean_value)
    found = dict.fromkeys(OBSERVED, np.full(len(histories), np.nan))
    if often.status != "converged":
        return found, dict.fromkeys(OBSERVED, _problem("bg_nbd", often.status))
    found["transactions"], revenue = predicted(
        histories, often.parameters, much.parameters, horizon
    )
    if much.status != "converged":
        return found, {"transactions": None, "revenue": _problem("gamma_gamma", much.status)}
    found["revenue"] = revenue
    return found, dict.fromkeys(OBSERVED)


def _problem(model: str, status: str) -> str:
    return f"{NAMES[model]}: {REASONS[status]}"


def _rows(
    own: Floats, baseline: str, other: Floats, actual: Floats, z: float
) -> Iterable[dict[str, object]]:
    """The metrics of one outcome's predictions beside one baseline's, each a figure per customer.

    NaN where the model predicts nothing; its baseline's are there all the same.
    """
    count = {"customer_count": len(actual), "row_count": len(actual)}
    error, other_error = own - actual, other - actual
    squared, other_squared = error**2, other_error**2
    mean, low, high = _mean(squared, z)
    yield count | {
        "metric": f"{SQUARED_ERROR} against {baseline}",
        "estimate": np.sqrt(mean),
        "estimate_low": np.sqrt(np.fmax(low, 0.0)) if np.isfinite(low) else np.nan,
        "estimate_high": np.sqrt(high),
        "baseline_value": np.sqrt(_mean(other_squared, z)[0]),
        "is_better_than_chance": _is_below(_mean(squared - other_squared, z)[2], 0.0),
        "method": METHOD[SQUARED_ERROR],
    }
    absolute, other_absolute = np.abs(error), np.abs(other_error)
    yield (
        count
        | _figures(absolute, z)
        | {
            "metric": f"{ABSOLUTE_ERROR} against {baseline}",
            "baseline_value": _mean(other_absolute, z)[0],
            "is_better_than_chance": _is_below(_mean(absolute - other_absolute, z)[2], 0.0),
            "method": METHOD[ABSOLUTE_ERROR],
        }
    )
    correlation = _correlation(own, actual)
    low, high = _correlation_interval(correlation, len(actual), z)
    yield count | {
        "metric": f"{CORRELATION} against {baseline}",
        "estimate": correlation,
        "estimate_low": low,
        "estimate_high": high,
        "baseline_value": _correlation(other, actual),
        "is_better_than_chance": _is_below(0.0, low),
        "method": METHOD[CORRELATION],
    }
    yield (
        count
        | _figures(error, z)
        | {
            "metric": f"bias against {baseline}",
            "baseline_value": _mean(other_error, z)[0],
            "is_better_than_chance": pd.NA,
            "method": METHOD["bias"],
        }
    )
    # Of as many customers each, since both rank the same ones.
    tenths, other_tenths = _tenths(own), _tenths(other)
    for number in range(DECILES):
        size = int((tenths == number).sum())
        yield (
            _figures(error[tenths == number], z)
            | {
                "metric": f"decile {number + 1} error against {baseline}",
                "baseline_value": _mean(other_error[other_tenths == number], z)[0],
                "customer_count": size,
                "row_count": size,
                "is_better_than_chance": pd.NA,
                "method": METHOD["decile"],
            }
        )


def _tenths(predictions: Floats) -> Floats:
    """The tenth, from 0, that each customer is in by what is predicted of it, NaN counting as 0."""
    ranks = rankdata(np.nan_to_num(predictions), method="ordinal")
    found: Floats = (ranks - 1) * DECILES // max(len(predictions), 1)
    return found


def _is_below(one: float, other: float) -> object:
    return pd.NA if np.isnan(one) or np.isnan(other) else one < other


def _mean(figures: Floats, z: float) -> tuple[float, float, float]:
    """A mean over customers and its normal interval; NaN of none."""
    if not len(figures):
        return float("nan"), float("nan"), float("nan")
    mean = float(figures.mean())
    margin = z * float(figures.std(ddof=1)) / np.sqrt(len(figures)) if len(figures) > 1 else np.nan
    return mean, float(mean - margin), float(mean + margin)


def _figures(figures: Floats, z: float) -> dict[str, object]:
    return dict(zip(("estimate", "estimate_low", "estimate_high"), _mean(figures, z), strict=True))


def _correlation(one: Floats, other: Floats) -> float:
    if not len(one) or not np.ptp(one) > 0 or not np.ptp(other) > 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _correlation_interval(correlation: float, count: int, z: float) -> tuple[float, float]:
    error = np.sqrt((1 + correlation**2 / 2) / max(count - 3, 1))
    transformed = np.arctanh(np.clip(correlation, -1 + 1e-12, 1 - 1e-12))
    return float(np.tanh(transformed - z * error)), float(np.tanh(transformed + z * error))
