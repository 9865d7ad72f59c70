"""Says what goes with engagement, from what was known before any response to a campaign.

Nothing here says why. A customer who stays long on a visit has clicked already: "session duration
drives engagement" is the mistake studies make, so whatever is measured after a campaign's start is
refused by its declared timing, before its values are looked at.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation.frames import ENGAGEMENT_FACTORS, conform
from segmentation.noise import Integers, adjusted_p_values, stream
from segmentation.personas import Floats

# An outcome, and the column of the responses that holds it as 1, 0 or nothing.
OUTCOMES: Mapping[str, str] = {
    "opened": "campaign_opened",
    "clicked": "campaign_clicked",
    "converted": "campaign_converted",
}

# At delivery: settled when the campaign reached the customer, before any response to it.
BEFORE, AT_DELIVERY, AFTER = TIMINGS = ("before", "at_delivery", "after")

AFTER_TREATMENT = "after_treatment"
TIMING_UNKNOWN = "timing_unknown"
TOO_FEW = "too_few"
CONSTANT = "constant"

BOOTSTRAP_FITS = 50

# Newton's method squares the error at each step: after one this small, less than a thousandth of
# the log odds is left.
REFIT_STEPS = 20
REFIT_PRECISION = 0.02

# Rows whose products are held at a time.
ROWS_AT_A_TIME = 2_000

METHOD = (
    "Spearman within campaigns, error by customer; ridge logistic regression on ranks within "
    f"campaigns, {BOOTSTRAP_FITS} fits to resampled customers"
)
WARNING = (
    "Who was contacted, and when, was not drawn at random: those contacted so may differ in more "
    "than that."
)


@dataclass(frozen=True)
class Feature:
    """One declared feature; see `read_features`."""

    name: str
    timing: str
    was_randomised: bool
    is_from_versions: bool
    is_delivery: bool


@dataclass(frozen=True)
class Responses:
    """Campaigns times customers with a known outcome, the rows in order of their keys.

    Attributes:
        campaigns, customers: numbers from 0, one per row.
        campaign_ids, customer_ids: by number.
        outcomes: 1 or 0.
        ranks: rows by features: rank within the campaign as a share of its rows, its mean taken
            off (from -0.5 to 0.5); NaN where the value is not known.
        reasons: feature to why it has no figures, None where it has; only features measured
            before, in the order of the columns of `ranks`.
    """

    campaigns: Integers
    customers: Integers
    campaign_ids: pd.Index
    customer_ids: pd.Index
    outcomes: Floats
    ranks: Floats
    reasons: Mapping[str, str | None]

    @property
    def standardised(self) -> tuple[list[str], Floats]:
        """The features that have figures, and their ranks at mean 0 and deviation 1.

        A value that is not known counts as the mean of its campaign.
        """
        names = [name for name, reason in self.reasons.items() if reason is None]
        usable = np.array([reason is None for reason in self.reasons.values()], dtype=bool)
        filled = np.nan_to_num(self.ranks[:, usable])
        return names, filled / np.sqrt((filled**2).sum(axis=0) / max(len(filled), 1))


def engagement_factors(
    responses: pd.DataFrame,
    members: pd.DataFrame,
    features: Sequence[Mapping[str, Any]],
    *,
    protected_raw_columns: Collection[str],
    small_cell_customers: int,
    small_cell_events: int,
    known_share: float,
    least_sign_stability: float,
    random_seed: int,
    confidence_level: float,
) -> pd.DataFrame:
    """Rank features by how closely they go with opening, clicking and converting.

    Campaigns differ in their rates, and histories grow longer from campaign to campaign, so only
    customers of the same campaign are compared: everything rests on ranks within campaigns.

    Correlation: Spearman's, of ranks within campaigns and an outcome less its campaign's mean,
    over all campaigns together; with one campaign it is scipy's spearmanr. Its error comes from
    its influence function (Borkowf, Computing 68, 2002, gives the variance for one sample),
    summed by customer, since a customer stands in several campaigns (Liang and Zeger, Biometrika
    73, 1986); the interval is taken on Fisher's scale.

    Effect: of one standard deviation of the rank on the log odds, the other features held, in a
    logistic regression with an L2 penalty. The penalty is the number of features, by which the
    features together are expected to move the log odds by a standard deviation of 1 (a normal
    prior with variance 1 / features for each; Hoerl and Kennard, Technometrics 12, 1970). The
    interval is the estimate with Student's quantile times the deviation over the resampled fits.

    Sign stability: the share of fits to resampled customers, with all their campaigns, in which
    the effect has the sign it has in the fit to all.

    A factor counts as real when its adjusted p is below 1 - confidence_level, its sign is stable,
    and correlation and effect have one sign.

    Args:
        responses: one row per campaign_id and customer_id: is_version_known, the columns of
            `OUTCOMES`, and one column per feature not measured after. Order has no influence.
        members: one row per segmentation and customer_id: segment_id.
        features: declarations, as `read_features` takes them.
        protected_raw_columns: raw columns no feature may be made from.
        small_cell_customers: a group needs this many customers ...
        small_cell_events: ... this many rows with the outcome, and as many without.
        known_share: least share of rows for which a feature from versions was known.
        least_sign_stability: of a real factor, 0 to 1.
        random_seed: of the resampling; every group and outcome has a stream of its own.
        confidence_level: of intervals, and 1 minus the level of the tests; 0 to 1.

    Returns:
        One row per segmentation, group (all customers, then each segment), outcome and declared
        feature; columns of `frames.ENGAGEMENT_FACTORS`. Where `reason` is given there are no
        figures and no ranks. No rows without responses or members.

    Raises:
        ValueError: as `read_features`; a feature not measured after is no column of `responses`.
    """
    declared = read_features(features, protected_raw_columns)
    rows: list[dict[str, object]] = []
    if responses.empty or members.empty:
        return conform(pd.DataFrame(), ENGAGEMENT_FACTORS)
    responses = with_ordered_keys(responses)
    with threadpool_limits(1):
        for segmentation, own in members.groupby("segmentation", sort=True):
            segment_ids = own.set_index("customer_id")["segment_id"]
            joined = responses.assign(segment_id=responses["customer_id"].map(segment_ids))
            joined = joined[joined["segment_id"].notna()]
            groups = [(None, joined), *joined.groupby("segment_id", sort=True)]
            for segment_id, group in groups:
                for outcome in OUTCOMES:
                    prepared = prepare(
                        group,
                        outcome,
                        declared,
                        small_cell_customers=small_cell_customers,
                        small_cell_events=small_cell_events,
                        known_share=known_share,
                    )
                    figures = _figures(
                        prepared,
                        random=stream(random_seed, str(segmentation), str(segment_id), outcome),
                        confidence_level=confidence_level,
                    )
                    everybody = ", all customers" if segment_id is None else ""
                    rows += [
                        _described(feature)
                        | {
                            "segmentation": segmentation,
                            "is_all_customers": segment_id is None,
                            "segment_id": segment_id,
                            "outcome": outcome,
                            "family": f"{segmentation}: engagement_factors, {outcome}{everybody}",
                        }
                        | figures.get(feature.name, {})
                        for feature in declared
                    ]
    found = conform(pd.DataFrame(rows, columns=list(ENGAGEMENT_FACTORS)), ENGAGEMENT_FACTORS)
    for _, family in found.groupby("family"):
        adjusted = adjusted_p_values({str(place): p for place, p in family["p"].items()})
        found.loc[family.index, "adjusted_p"] = list(adjusted.values())
    found["is_real"] = (
        (found["adjusted_p"] < 1 - confidence_level)
        & (found["sign_stability"] >= least_sign_stability)
        & (found["correlation"] * found["standardised_effect"] > 0)
    )
    return found


def read_features(
    declared: Sequence[Mapping[str, Any]], protected_raw_columns: Collection[str]
) -> list[Feature]:
    """Return the declared features.

    Args:
        declared: one mapping per feature: name; timing, one of TIMINGS; is_randomised; raw_columns,
            as file.column; optionally from_versions and is_delivery, which a timing of
            at_delivery implies.
        protected_raw_columns: raw columns no feature may be made from.

    Raises:
        ValueError: a name stands twice, a timing is none of TIMINGS, or a feature is made
            from a protected raw column.
    """
    found: list[Feature] = []
    for one in declared:
        name, timing = str(one["name"]), str(one["timing"])
        where = f"dbt_project.yml, engagement_features, {name}"
        if name in [feature.name for feature in found]:
            raise ValueError(f"{where}: two features have this name; names are unique.")
        if timing not in TIMINGS:
            raise ValueError(
                f"{where}: its timing is {timing}; it is {BEFORE}, {AT_DELIVERY} or {AFTER}."
            )
        protected = sorted(set(one["raw_columns"]) & set(protected_raw_columns))
        if protected:
            raise ValueError(
                f"{where}: it is made from {protected[0]}, which is protected; leave it out."
            )
        found.append(
            Feature(
                name=name,
                timing=timing,
                was_randomised=bool(one["is_randomised"]),
                is_from_versions=bool(one.get("from_versions", False)),
                is_delivery=timing == AT_DELIVERY or bool(one.get("is_delivery", False)),
            )
        )
    return found


def with_ordered_keys(responses: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with campaign_id and customer_id as categories: texts are sorted once."""
    return responses.astype({"campaign_id": "category", "customer_id": "category"})


def prepare(
    responses: pd.DataFrame,
    outcome: str,
    features: Sequence[Feature],
    *,
    small_cell_customers: int,
    small_cell_events: int,
    known_share: float,
) -> Responses:
    """Return the rows whose outcome is known, the features' ranks, and which cannot be used.

    Args:
        responses: as for `engagement_factors`.
        outcome: one of `OUTCOMES`.
        features: as `read_features` returns them; those measured after are not looked at.
        small_cell_customers, small_cell_events, known_share: as for `engagement_factors`.

    Raises:
        ValueError: a feature not measured after is no column of `responses`.
    """
    looked_at = [feature for feature in features if feature.timing != AFTER]
    names = [feature.name for feature in looked_at]
    missing = [name for name in names if name not in responses.columns]
    if missing:
        raise ValueError(
            f"dbt_project.yml, engagement_features, {missing[0]}: int_engagement_features has no "
            "such column; add it there, or take the feature out."
        )
    known = responses[responses[OUTCOMES[outcome]].notna()]
    known = with_ordered_keys(known).sort_values(["campaign_id", "customer_id"], ignore_index=True)
    campaigns, campaign_ids = pd.factorize(known["campaign_id"], sort=True)
    customers, customer_ids = pd.factorize(known["customer_id"], sort=True)
    values = known[names].astype("float64")
    by_campaign = values.groupby(campaigns)
    counts = by_campaign.transform("count").to_numpy()
    ranks = (by_campaign.rank().to_numpy() - (counts + 1) / 2) / np.where(counts > 0, counts, 1)
    outcomes = known[OUTCOMES[outcome]].to_numpy(dtype=float)
    is_version_known = known["is_version_known"].to_numpy(dtype=bool)

    def is_too_few(rows: npt.NDArray[np.bool_]) -> bool:
        events = outcomes[rows].sum()
        return bool(
            different(customers[rows]) < small_cell_customers
            or min(events, rows.sum() - events) < small_cell_events
        )

    are_too_few = is_too_few(np.ones(len(known), dtype=bool))
    reasons: dict[str, str | None] = {}
    for feature, own in zip(looked_at, ranks.T, strict=True):
        is_known = ~np.isnan(own)
        reasons[feature.name] = None
        if are_too_few:
            reasons[feature.name] = TOO_FEW
        elif feature.is_from_versions and is_version_known.mean() < known_share:
            reasons[feature.name] = TIMING_UNKNOWN
        elif is_too_few(is_known):
            reasons[feature.name] = TOO_FEW
        elif not np.any(own[is_known]):
            reasons[feature.name] = CONSTANT
    return Responses(campaigns, customers, campaign_ids, customer_ids, outcomes, ranks, reasons)


def rank_correlation(
    ranks: Floats, outcomes: Floats, campaigns: Integers, customers: Integers
) -> tuple[float, float]:
    """Return Spearman's correlation within campaigns, and its standard error by customer.

    Args:
        ranks: one per row, as in `Responses`, without NaN.
        outcomes: 1 or 0, both present.
        campaigns, customers: numbers from 0.

    Returns:
        The correlation, -1 to 1, and its error; NaN where one of the two does not vary within
        any campaign.
    """
    # One key, ranks being at most 1 apart, sorts several times as fast as two.
    order = np.argsort(2.0 * campaigns + ranks)
    x, campaign, customer = ranks[order], campaigns[order], customers[order]
    sizes = np.bincount(campaign)
    rates = np.bincount(campaign, outcomes[order]) / np.maximum(sizes, 1)
    y = outcomes[order] - rates[campaign]
    xx, yy = float(x @ x), float(y @ y)
    if xx == 0 or yy == 0:
        return np.nan, np.nan
    correlation = float(x @ y) / np.sqrt(xx * yy)

    is_new = np.ones(len(x), dtype=bool)
    is_new[1:] = (campaign[1:] != campaign[:-1]) | (x[1:] != x[:-1])
    starts = np.flatnonzero(is_new)
    tie = np.cumsum(is_new) - 1
    ends = np.append(starts[1:], len(x))

    def moved_by(values: Floats) -> Floats:
        """What a row does to the sum of ranks times values through the ranks of all others."""
        sums = np.concatenate([[0.0], np.cumsum(values)])
        moved: Floats = -(sums[starts] + sums[ends])[tie] / (2 * sizes[campaign])
        return moved

    def campaign_means(values: Floats) -> Floats:
        means: Floats = (np.bincount(campaign, values) / np.maximum(sizes, 1))[campaign]
        return means

    products = x * y + moved_by(y) - campaign_means(x * y)
    squares = x * x + 2 * moved_by(x) - 2 * campaign_means(x * x)
    influence = products / np.sqrt(xx * yy) - correlation / 2 * (squares / xx + y * y / yy)
    sums = np.bincount(customer, influence)
    count = different(customers)
    return correlation, float(np.sqrt((sums @ sums) * count / max(count - 1, 1)))


def different(numbers: Integers) -> int:
    """Return how many different numbers, from 0, there are."""
    return int(np.count_nonzero(np.bincount(numbers)))


def fit_logistic(values: Floats, outcomes: Floats) -> LogisticRegression:
    """Return a logistic regression whose L2 penalty is the number of features.

    Args:
        values: rows by features, standardised.
        outcomes: 1 or 0, both present.
    """
    model = LogisticRegression(C=1 / max(values.shape[1], 1), solver="newton-cholesky", tol=1e-6)
    return model.fit(values, outcomes)


def _described(feature: Feature) -> dict[str, object]:
    return dict.fromkeys(ENGAGEMENT_FACTORS) | {
        "feature": feature.name,
        "timing": feature.timing,
        "was_randomised": feature.was_randomised,
        "warning": WARNING if feature.is_delivery and not feature.was_randomised else None,
        "reason": AFTER_TREATMENT if feature.timing == AFTER else None,
        "is_real": False,
        "method": METHOD,
    }


def _figures(
    prepared: Responses, *, random: np.random.Generator, confidence_level: float
) -> dict[str, dict[str, object]]:
    """Return the figures, or the reason for none, of every feature not measured after, by name."""
    names, values = prepared.standardised
    found: dict[str, dict[str, object]] = {}
    for position, (name, reason) in enumerate(prepared.reasons.items()):
        is_known = ~np.isnan(prepared.ranks[:, position])
        customers = prepared.customers[is_known]
        count = different(customers)
        found[name] = {
            "reason": reason,
            "customer_count": count,
            "row_count": int(is_known.sum()),
            "event_count": int(prepared.outcomes[is_known].sum()),
        }
        if reason is None:
            correlation, error = rank_correlation(
                prepared.ranks[is_known, position],
                prepared.outcomes[is_known],
                prepared.campaigns[is_known],
                customers,
            )
            found[name] |= _tested(correlation, error, count - 1, confidence_level)
    if not names:
        return found
    effects, resampled = _effects(values, prepared, random)
    quantile = float(student.ppf((1 + confidence_level) / 2, BOOTSTRAP_FITS - 1))
    margins = quantile * resampled.std(axis=0, ddof=1)
    stability = (np.sign(resampled) == np.sign(effects)).mean(axis=0)
    for position, name in enumerate(names):
        found[name] |= {
            "standardised_effect": effects[position],
            "standardised_effect_low": effects[position] - margins[position],
            "standardised_effect_high": effects[position] + margins[position],
            "sign_stability": stability[position],
        }
    _rank(found, names)
    return found


def _tested(
    correlation: float, error: float, freedom: int, confidence_level: float
) -> dict[str, object]:
    """Interval and p of a correlation on Fisher's scale, where its error is error / (1 - r^2)."""
    if np.isnan(correlation) or error == 0 or abs(correlation) >= 1:
        return {"correlation": correlation}
    scaled = error / (1 - correlation**2)
    middle = np.arctanh(correlation)
    margin = float(student.ppf((1 + confidence_level) / 2, freedom)) * scaled
    return {
        "correlation": correlation,
        "correlation_low": float(np.tanh(middle - margin)),
        "correlation_high": float(np.tanh(middle + margin)),
        "p": float(2 * student.sf(abs(middle) / scaled, freedom)),
    }


def _effects(
    values: Floats, prepared: Responses, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the effects of all rows, and of resampled customers: (features), (fits, features)."""
    model = fit_logistic(values, prepared.outcomes)
    effects: Floats = model.coef_[0]
    start = np.append(effects, model.intercept_)
    columns = np.column_stack([values, np.ones(len(values))])
    count = len(prepared.customer_ids)
    drawn = np.stack(
        [
            np.bincount(random.integers(0, count, count), minlength=count)
            for _ in range(BOOTSTRAP_FITS)
        ]
    ).astype(float)
    return effects, refitted(columns, prepared.outcomes, prepared.customers, drawn, start)[:, :-1]


def refitted(
    columns: Floats, outcomes: Floats, customers: Integers, drawn: Floats, start: Floats
) -> Floats:
    """Return what `fit_logistic` would give for each row of `drawn`, how often customers count.

    Newton's method from the fit to all rows, which is near. The first step is taken for all fits
    together, as they leave from one point; it is the last one where customers are many.

    Args:
        columns: rows by features, the last of them 1 everywhere.
        outcomes, customers: of the rows, as in `Responses`.
        drawn: fits by customers.
        start: coefficients of the fit to all rows, the intercept last.

    Returns:
        Coefficients, fits by features, the intercept last.
    """
    penalty = np.append(np.full(len(start) - 1, len(start) - 1.0), 0.0)
    found: Floats = start + _first_steps(columns, outcomes, customers, drawn, start, penalty)
    for fit, weights in enumerate(drawn):
        step = found[fit] - start
        for _ in range(REFIT_STEPS):
            if np.abs(step).max() < REFIT_PRECISION:
                break
            own = weights[customers]
            chances = expit(columns @ found[fit])
            slope = columns.T @ (own * (outcomes - chances)) - penalty * found[fit]
            spread = own * chances * (1 - chances)
            curve = columns.T @ (spread[:, np.newaxis] * columns) + np.diag(penalty)
            step = np.linalg.solve(curve, slope)
            found[fit] += step
    return found


def _first_steps(
    columns: Floats,
    outcomes: Floats,
    customers: Integers,
    drawn: Floats,
    start: Floats,
    penalty: Floats,
) -> Floats:
    """Return the steps of `refitted` from `start`, fits by features."""
    width = columns.shape[1]
    chances = expit(columns @ start)
    gaps, spread = outcomes - chances, chances * (1 - chances)
    slopes = np.zeros((len(drawn), width))
    curves = np.zeros((len(drawn), width * width))
    for first in range(0, len(columns), ROWS_AT_A_TIME):
        rows = slice(first, first + ROWS_AT_A_TIME)
        own, weights = columns[rows], drawn[:, customers[rows]]
        slopes += weights @ (gaps[rows, np.newaxis] * own)
        spread_own = spread[rows, np.newaxis] * own
        products = own[:, :, np.newaxis] * spread_own[:, np.newaxis, :]
        curves += weights @ products.reshape(len(own), -1)
    slopes -= penalty * start
    steps: Floats = np.linalg.solve(
        curves.reshape(-1, width, width) + np.diag(penalty), slopes[:, :, np.newaxis]
    )[:, :, 0]
    return steps


def _rank(found: dict[str, dict[str, object]], names: Sequence[str]) -> None:
    """Add ranks, 1 for the largest in size; equals by their names, those without a figure last."""
    frame = pd.DataFrame([found[name] for name in names], index=pd.Index(names)).sort_index()
    by_correlation = (
        frame["correlation"].abs().rank(ascending=False, method="first", na_option="bottom")
    )
    by_effect = (
        frame["standardised_effect"].abs().rank(ascending=False, method="first", na_option="bottom")
    )
    both = pd.DataFrame({"sum": by_correlation + by_effect, "first": by_correlation})
    combined = list(both.sort_values(["sum", "first"], kind="stable").index)
    for name in names:
        found[name] |= {
            "rank_by_correlation": int(by_correlation[name]),
            "rank_by_effect": int(by_effect[name]),
            "combined_rank": combined.index(name) + 1,
        }
