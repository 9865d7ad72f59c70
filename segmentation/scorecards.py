"""Says how well engagement is foretold for customers and campaigns a model has not seen."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation.factors import (
    OUTCOMES,
    Responses,
    different,
    fit_logistic,
    prepare,
    read_features,
    with_ordered_keys,
)
from segmentation.frames import MODEL_SCORECARDS, conform
from segmentation.noise import Integers, stream
from segmentation.personas import Floats

FOLDS = 5
RESAMPLES = 400
CHANCE = 0.5
BY_CUSTOMER, BY_TIME = "customer", "time"
SPLITS = (BY_CUSTOMER, BY_TIME)
# Every customer helps to foretell those who help to foretell it, which resampled forecasts do not
# show: without any relation 77 % of 95 % intervals of the AUC held 0.5. Nadeau and Bengio's factor
# for the variance (Machine Learning 52, 2003, sec. 3), 1 + FOLDS / (FOLDS - 1), mends it.
STRETCH: Mapping[str, float] = {
    BY_CUSTOMER: float(np.sqrt(1 + FOLDS / (FOLDS - 1))),
    BY_TIME: 1.0,
}
# Log odds that differ by less are rounding of one forecast.
SAME_ODDS = 1e-9
METRICS = ("auc", "log_loss", "brier_score", "calibration_slope", "calibration_intercept")

METHODS: Mapping[str, str] = {
    BY_CUSTOMER: f"{FOLDS} parts of the customers, each foretold from the others",
    BY_TIME: (
        f"later campaigns of {FOLDS} parts of the customers, each foretold from what the others "
        "did in campaigns that had ended before the first of them began"
    ),
}
INTERVAL = f"; {RESAMPLES} resamples of the customers"
NOT_JUDGED = "; not judged: too few customers, or rows with or without the outcome"

# Rows to fit to and rows to foretell, as masks; and sums over rows of columns, per resample.
Rows = npt.NDArray[np.bool_]
Parts = list[tuple[Rows, Rows]]
Sums = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Forecasts:
    """What was foretold of rows that were held out.

    Attributes:
        outcomes: 1 or 0.
        chances: forecast of the model, 0 to 1 exclusive.
        base_rates: forecast without features: the rate of the rows it was fitted to.
        customers, folds: numbers from 0; rows of different folds come from different fits, so
            the AUC only compares rows of one fold.
    """

    outcomes: Floats
    chances: Floats
    base_rates: Floats
    customers: Integers
    folds: Integers


FORECAST_DTYPES = {
    "outcomes": "float64",
    "chances": "float64",
    "base_rates": "float64",
    "customers": "int64",
    "folds": "int64",
}


def engagement_scorecards(
    responses: pd.DataFrame,
    features: Sequence[Mapping[str, Any]],
    *,
    protected_raw_columns: Collection[str],
    small_cell_customers: int,
    small_cell_events: int,
    known_share: float,
    train_share: float,
    random_seed: int,
    confidence_level: float,
) -> pd.DataFrame:
    """Judge the regressions behind `factors.engagement_factors` on rows they have not seen.

    By customer: the customers are divided at random into 5 parts, each foretold by the fit to
    the others. By time: the same, and campaigns that start after the first `train_share` of them
    are foretold by the fit to campaigns that had ended before the first of those began. The same
    customers' own earlier campaigns stay out of it: a customer who clicks readily clicks again,
    and any feature that tells customers apart would seem to foretell it.

    AUC, log loss and Brier score as scikit-learn defines them; calibration slope: of a logistic
    regression of the outcome on the log odds foretold, 1 at best; calibration intercept: its
    intercept with the slope held at 1, 0 at best (Cox, Biometrika 45, 1958; van Calster et al.,
    BMC Medicine 17, 2019). The baseline foretells the rate of the rows that were fitted to; its
    AUC is 0.5, and it has no slope.

    Intervals hold the middle of the figures over resampled customers, forecasts held (slope and
    intercept by one step of Newton's method from the estimate; Shao and Tu, The Jackknife and
    Bootstrap, 1995, sec. 5.2), stretched for the split by customer (`STRETCH`), and widened to
    hold the estimate.

    Args:
        responses: as for `factors.engagement_factors`, and starts_on and ends_on.
        features, protected_raw_columns, small_cell_customers, small_cell_events, known_share: as
            for `factors.engagement_factors`.
        train_share: share of the campaigns, in order of their starts, that may be fitted to.
        random_seed: of folds and resampling.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        One row per model ('engagement: ' and the outcome), split and metric; columns of
        `frames.MODEL_SCORECARDS`. is_better_than_chance: of the AUC, its interval lies above 0.5;
        of log loss and Brier score, the interval of the difference from the baseline's (the same
        customers resampled) lies below 0; of calibration, missing. use_baseline is missing: no
        figure rests on these forecasts. Figures are missing, and method says so, where either
        side of a split has too few customers or events. No rows without responses.

    Raises:
        ValueError: as `factors.engagement_factors`.
    """
    declared = read_features(features, protected_raw_columns)
    rows: list[dict[str, object]] = []
    if responses.empty:
        return conform(pd.DataFrame(), MODEL_SCORECARDS)
    responses = with_ordered_keys(responses)
    with threadpool_limits(1):
        for outcome in OUTCOMES:
            prepared = prepare(
                responses,
                outcome,
                declared,
                small_cell_customers=small_cell_customers,
                small_cell_events=small_cell_events,
                known_share=known_share,
            )
            for split in SPLITS:
                random = stream(random_seed, outcome, split)
                parts = _customer_parts(prepared, random)
                if split == BY_TIME:
                    has_ended, is_later = _ended_and_later(prepared, responses, train_share)
                    parts = [(fit & has_ended, held & is_later) for fit, held in parts]
                forecasts = _foretold(prepared, parts)
                is_enough = _is_enough(forecasts, small_cell_customers, small_cell_events)
                judged = (
                    judge(forecasts, random, confidence_level, STRETCH[split]) if is_enough else {}
                )
                rows += [
                    {
                        "model": f"engagement: {outcome}",
                        "split": split,
                        "metric": metric,
                        "customer_count": different(forecasts.customers),
                        "row_count": len(forecasts.outcomes),
                        "method": METHODS[split] + (INTERVAL if is_enough else NOT_JUDGED),
                    }
                    | judged.get(metric, {})
                    for metric in METRICS
                ]
    return conform(pd.DataFrame(rows, columns=list(MODEL_SCORECARDS)), MODEL_SCORECARDS)


def judge(
    forecasts: Forecasts, random: np.random.Generator, confidence_level: float, stretch: float
) -> dict[str, dict[str, Any]]:
    """Return the figures of every metric, by its name; see `engagement_scorecards`.

    Args:
        forecasts: rows with and without the outcome.
        random: draws the resamples.
        confidence_level: of the intervals, 0 to 1.
        stretch: by how much deviations of resamples are multiplied, 1 or more.
    """
    customers = np.unique(forecasts.customers, return_inverse=True)[1]
    drawn = _resamples(int(customers.max()) + 1, random)
    tail = (1 - confidence_level) / 2

    def sums(values: Floats) -> Floats:
        """Sums over rows of (rows, columns): of all rows first, then of each resample."""
        found: Floats = drawn @ np.stack(
            [np.bincount(customers, column) for column in values.T], axis=1
        )
        return found

    def figures(
        values: Floats, least: float = -np.inf, largest: float = np.inf
    ) -> dict[str, float]:
        ends = np.nanquantile(values[1:], [tail, 1 - tail])
        low, high = np.clip(values[0] + stretch * (ends - values[0]), least, largest)
        return {
            "estimate": float(values[0]),
            "estimate_low": min(float(low), float(values[0])),
            "estimate_high": max(float(high), float(values[0])),
        }

    auc = figures(_aucs(forecasts, customers, drawn), 0, 1)
    found: dict[str, dict[str, Any]] = {
        "auc": auc
        | {"baseline_value": CHANCE, "is_better_than_chance": auc["estimate_low"] > CHANCE}
    }
    for metric, loss in {"log_loss": _log_loss, "brier_score": _squared_error}.items():
        own, base = (
            loss(forecasts.outcomes, forecasts.chances),
            loss(forecasts.outcomes, forecasts.base_rates),
        )
        means = sums(np.stack([own, base, np.ones(len(own))], axis=1))
        means = means / means[:, 2:]
        found[metric] = figures(means[:, 0], 0) | {
            "baseline_value": float(means[0, 1]),
            "is_better_than_chance": figures(means[:, 0] - means[:, 1])["estimate_high"] < 0,
        }
    odds = logit(forecasts.chances)
    offset = logit(forecasts.base_rates)
    slopes = _calibration(odds, forecasts.outcomes, sums)
    found["calibration_slope"] = {} if slopes is None else figures(slopes)
    found["calibration_intercept"] = figures(_intercepts(odds, forecasts.outcomes, sums)) | {
        "baseline_value": float(_intercepts(offset, forecasts.outcomes, sums)[0])
    }
    return found


def _resamples(count: int, random: np.random.Generator) -> Floats:
    """How often each customer counts: once, then as drawn; shape (1 + RESAMPLES, customers)."""
    drawn = np.ones((1 + RESAMPLES, count))
    for own in drawn[1:]:
        own[:] = np.bincount(random.integers(0, count, count), minlength=count)
    return drawn


def _customer_parts(prepared: Responses, random: np.random.Generator) -> Parts:
    """Rows to fit to, and rows to foretell, for each part of the customers."""
    count = len(prepared.customer_ids)
    part = (random.permutation(count) % FOLDS)[prepared.customers]
    return [(part != own, part == own) for own in range(FOLDS)]


def _ended_and_later(
    prepared: Responses, responses: pd.DataFrame, train_share: float
) -> tuple[Rows, Rows]:
    """Rows of the later campaigns, and of those that had ended before the first of them began."""
    campaigns = (
        responses.drop_duplicates("campaign_id")
        .set_index("campaign_id")
        .loc[prepared.campaign_ids, ["starts_on", "ends_on"]]
    )
    starts = np.sort(campaigns["starts_on"].to_numpy())
    if len(starts) < 2:
        nobody = np.zeros(len(prepared.outcomes), dtype=bool)
        return nobody, nobody
    first = starts[min(max(round(train_share * len(starts)), 1), len(starts) - 1)]
    has_ended = (campaigns["ends_on"] < first).to_numpy(dtype=bool)
    is_later = (campaigns["starts_on"] >= first).to_numpy(dtype=bool)
    return has_ended[prepared.campaigns], is_later[prepared.campaigns]


def _foretold(prepared: Responses, parts: Parts) -> Forecasts:
    """Fit to the first rows of each part and foretell its second ones."""
    names, values = prepared.standardised
    found: list[Forecasts] = []
    for fold, (fitted, held_out) in enumerate(parts):
        rate = prepared.outcomes[fitted].mean() if fitted.any() else 0.0
        if not names or not 0 < rate < 1 or not held_out.any():
            continue
        model = fit_logistic(values[fitted], prepared.outcomes[fitted])
        rows = int(held_out.sum())
        found.append(
            Forecasts(
                outcomes=prepared.outcomes[held_out],
                chances=model.predict_proba(values[held_out])[:, 1],
                base_rates=np.full(rows, rate),
                customers=prepared.customers[held_out],
                folds=np.full(rows, fold),
            )
        )
    return Forecasts(
        *(
            np.concatenate([getattr(one, field) for one in found])
            if found
            else np.array([], dtype=dtype)
            for field, dtype in FORECAST_DTYPES.items()
        )
    )


def _is_enough(forecasts: Forecasts, customers: int, events: int) -> bool:
    happened = forecasts.outcomes.sum()
    return bool(
        different(forecasts.customers) >= customers
        and min(happened, len(forecasts.outcomes) - happened) >= events
    )


def _log_loss(outcomes: Floats, chances: Floats) -> Floats:
    losses: Floats = -(outcomes * np.log(chances) + (1 - outcomes) * np.log1p(-chances))
    return losses


def _squared_error(outcomes: Floats, chances: Floats) -> Floats:
    errors: Floats = (outcomes - chances) ** 2
    return errors


def _aucs(forecasts: Forecasts, customers: Integers, drawn: Floats) -> Floats:
    """AUC over pairs of rows of one fold, for each row of `drawn`; equal forecasts count half."""
    is_event = forecasts.outcomes == 1
    # Chances are below 1, so that folds follow on each other.
    places = forecasts.folds + forecasts.chances
    order = np.argsort(places[~is_event])
    others = places[~is_event][order]
    event_folds = forecasts.folds[is_event]
    # How many of the others lie below each event's forecast, below or at it, and around its fold.
    below = np.searchsorted(others, places[is_event], side="left")
    up_to = np.searchsorted(others, places[is_event], side="right")
    fold_starts = np.searchsorted(others, event_folds, side="left")
    fold_ends = np.searchsorted(others, event_folds + 1, side="left")
    other_customers, event_customers = customers[~is_event][order], customers[is_event]
    found = np.empty(len(drawn))
    for place, weights in enumerate(drawn):
        counts = np.append(0.0, np.cumsum(weights[other_customers]))
        own = weights[event_customers]
        beaten = own @ ((counts[below] + counts[up_to]) / 2 - counts[fold_starts])
        pairs = own @ (counts[fold_ends] - counts[fold_starts])
        found[place] = beaten / pairs if pairs > 0 else np.nan
    return found


def _calibration(odds: Floats, outcomes: Floats, sums: Sums) -> Floats | None:
    """Slopes of the outcome on the log odds foretold; None where these do not differ."""
    if np.ptp(odds) < SAME_ODDS:
        return None
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
    model.fit(odds[:, np.newaxis], outcomes)
    slope = float(model.coef_[0, 0])
    chances = expit(float(model.intercept_[0]) + slope * odds)
    weight, error = chances * (1 - chances), outcomes - chances
    a, b, aa, ab, bb = sums(
        np.stack([error, error * odds, weight, weight * odds, weight * odds**2], axis=1)
    ).T
    steps = (aa * b - ab * a) / (aa * bb - ab**2)
    # The estimate itself has converged; its step is what rounding left.
    slopes: Floats = slope + np.append(0.0, steps[1:])
    return slopes


def _intercepts(odds: Floats, outcomes: Floats, sums: Sums) -> Floats:
    """Intercepts of the outcome on the log odds foretold, the slope held at 1."""

    def gap(intercept: float) -> float:
        return float((outcomes - expit(intercept + odds)).sum())

    reach = 1.0 + float(np.abs(odds).max()) + abs(float(logit(outcomes.mean())))
    intercept = float(brentq(gap, -reach, reach))
    chances = expit(intercept + odds)
    error, weight = sums(np.stack([outcomes - chances, chances * (1 - chances)], axis=1)).T
    intercepts: Floats = intercept + np.append(0.0, error[1:] / weight[1:])
    return intercepts
