"""Judges the value models on time they have not seen, against two simple baselines."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata, spearmanr
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation import value
from segmentation.customer_value import (
    BASELINES,
    SQUARED_ERROR,
    baseline_of,
    fitted_customers,
    predicted,
)
from segmentation.frames import MODEL_SCORECARDS, conform
from segmentation.personas import Floats

DECILES = 10
METHOD = {
    SQUARED_ERROR: "delta method over customers; the difference from the baseline is paired",
    "mean absolute error": "normal over customers; the difference from the baseline is paired",
    "rank correlation": "Spearman, Fisher's z with the variance of Bonett and Wright",
    "bias": "predicted less observed, normal over customers; the baseline is last year",
    "decile": "predicted less observed, normal over customers in tenths by prediction; the baseline"
    " is last year",
}


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
        One row per model (customer_value_transactions, customer_value_revenue) and metric, columns
        MODEL_SCORECARDS; none where a model could not be fitted to the first part, or the rest has
        no purchase.
    """
    rng = np.random.default_rng(random_seed)
    z = float(norm.ppf(0.5 + confidence_level / 2))
    ordered = histories.sort_values("customer_id", ignore_index=True)
    frequency, recency, age, mean_value = fitted_customers(ordered, rng)
    often = value.fit_bg_nbd(frequency, recency, age)
    much = value.fit_gamma_gamma(frequency, mean_value)
    rows: list[dict[str, object]] = []
    if often.status == "converged":
        purchases, revenue = predicted(ordered, often.parameters, much.parameters, held_out_days)
        for outcome, own, observed in (
            ("transactions", purchases, "held_out_purchase_count"),
            ("revenue", revenue, "held_out_amount"),
        ):
            known = np.isfinite(own)
            actual = ordered[observed].to_numpy(float)
            if known.sum() < value.FEWEST_CUSTOMERS or not actual.any():
                continue
            share = held_out_days / last_year_days
            others = {name: share * baseline_of(name, ordered, outcome) for name in BASELINES}
            rows += [
                {"model": f"customer_value_{outcome}", "split": "time", **row}
                for row in _rows(
                    own[known], {name: one[known] for name, one in others.items()}, actual[known], z
                )
            ]
    return conform(pd.DataFrame(rows), MODEL_SCORECARDS)


def _rows(
    own: Floats, baselines: dict[str, Floats], actual: Floats, z: float
) -> Iterable[dict[str, object]]:
    """The metrics of one outcome's predictions, one figure per customer each."""
    count = {"customer_count": len(actual), "row_count": len(actual)}
    squared = (own - actual) ** 2
    absolute = np.abs(own - actual)
    beaten = all(squared.mean() < ((other - actual) ** 2).mean() for other in baselines.values())
    verdict = count | {"use_baseline": not beaten}
    last_year = baselines[BASELINES[0]]
    correlation = _correlation(own, actual)
    for name, other in baselines.items():
        other_squared, other_absolute = (other - actual) ** 2, np.abs(other - actual)
        mean, low, high = _mean(squared, z)
        yield verdict | {
            "metric": f"{SQUARED_ERROR} against {name}",
            "estimate": np.sqrt(mean),
            "estimate_low": np.sqrt(max(low, 0.0)),
            "estimate_high": np.sqrt(high),
            "baseline_value": np.sqrt(other_squared.mean()),
            "is_better_than_chance": _mean(squared - other_squared, z)[2] < 0,
            "method": METHOD[SQUARED_ERROR],
        }
        yield (
            verdict
            | _figures(absolute, z)
            | {
                "metric": f"mean absolute error against {name}",
                "baseline_value": other_absolute.mean(),
                "is_better_than_chance": _mean(absolute - other_absolute, z)[2] < 0,
                "method": METHOD["mean absolute error"],
            }
        )
        low, high = _correlation_interval(correlation, len(actual), z)
        yield verdict | {
            "metric": f"rank correlation against {name}",
            "estimate": correlation,
            "estimate_low": low,
            "estimate_high": high,
            "baseline_value": _correlation(other, actual),
            "is_better_than_chance": pd.NA if np.isnan(correlation) else low > 0,
            "method": METHOD["rank correlation"],
        }
    yield (
        verdict
        | _figures(own - actual, z)
        | {
            "metric": "bias",
            "baseline_value": (last_year - actual).mean(),
            "is_better_than_chance": pd.NA,
            "method": METHOD["bias"],
        }
    )
    tenth = (rankdata(own, method="ordinal") - 1) * DECILES // len(own)
    for number in range(DECILES):
        inside = tenth == number
        size = int(inside.sum())
        yield (
            verdict
            | _figures((own - actual)[inside], z)
            | {
                "metric": f"decile {number + 1} error",
                "baseline_value": (last_year - actual)[inside].mean(),
                "customer_count": size,
                "row_count": size,
                "is_better_than_chance": pd.NA,
                "method": METHOD["decile"],
            }
        )


def _mean(figures: Floats, z: float) -> tuple[float, float, float]:
    """A mean over customers and its normal interval."""
    mean = float(figures.mean())
    margin = z * float(figures.std(ddof=1)) / np.sqrt(len(figures)) if len(figures) > 1 else np.nan
    return mean, float(mean - margin), float(mean + margin)


def _figures(figures: Floats, z: float) -> dict[str, object]:
    return dict(zip(("estimate", "estimate_low", "estimate_high"), _mean(figures, z), strict=True))


def _correlation(one: Floats, other: Floats) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _correlation_interval(correlation: float, count: int, z: float) -> tuple[float, float]:
    error = np.sqrt((1 + correlation**2 / 2) / max(count - 3, 1))
    transformed = np.arctanh(np.clip(correlation, -1 + 1e-12, 1 - 1e-12))
    return float(np.tanh(transformed - z * error)), float(np.tanh(transformed + z * error))
