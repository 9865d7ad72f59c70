"""Says whether the data moved away from what a fit was made on, and what a refit would change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import chdtrc, chdtri, kolmogorov
from scipy.stats import binomtest
from sklearn.metrics import adjusted_rand_score  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation.fit import (
    Specification,
    centres_of,
    data_hash,
    form_clusters,
    mean_and_deviation,
    own_inputs,
    standardise,
    standardised_by,
)
from segmentation.frames import (
    DRIFT_PERIODS,
    FIT_DISTRIBUTIONS,
    REFIT_ADVICE,
    REFIT_TRIALS,
    conform,
)
from segmentation.noise import Integers, adjusted_p_values, nearest, stream
from segmentation.personas import Floats

KEEP = "keep"
WATCH = "watch"
REFIT = "refit"

SEGMENT_SHARES = "segment_shares"
TRAINING_DATA_GONE = "training_data_gone"
TOO_FEW = "too_few"

# Bins that are stored, and bins that PSI is made of.
STORED_BINS = 100
PSI_BINS = 10

# The chi-squared approximation asks for as many entities in each cell of the smaller sample.
LEAST_EXPECTED = 5

# Edges keep this relative distance from values that many entities share: another engine's
# logarithm differs in its last digit, which is no drift.
EDGE_DISTANCE = 1e-9

MISSING_BIN = 0

TRIAL_KEYS = ["segmentation", "fit_id", "data_hash", "entity_count"]


@dataclass(frozen=True)
class _Change:
    """PSI with what it is held against; NaN where it cannot be had."""

    bin_count: int | None
    psi: float
    spread: float
    p: float

    def psi_at(self, level: float) -> float:
        """Return the PSI that chance alone exceeds with probability `level`."""
        freedom = (self.bin_count or 1) - 1
        return self.spread * float(chdtri(freedom, level)) if freedom else 0.0


UNKNOWN = _Change(None, math.nan, math.nan, math.nan)


def fit_distributions(
    fits: pd.DataFrame, inputs: pd.DataFrame, earlier_distributions: pd.DataFrame
) -> pd.DataFrame:
    """Count, per feature and bin, the entities that fits were made on.

    A feature is cut into about 100 bins with equally many entities, cut midway between two
    values. A value that 1 % of the entities share has a bin of its own, with edges just beside
    it. The first and the last bin lie beyond the training range and hold nobody; a bin of number
    0 counts the missing values.

    Args:
        fits: fits in use, columns of `frames.FITS`.
        inputs: as for `fit.fit_missing`.
        earlier_distributions: rows that this function returned before; their fits are left out.

    Returns:
        New rows alone, one per fit, feature and bin; columns of `frames.FIT_DISTRIBUTIONS`.
        - bin_low, bin_high: in transformed units; missing where the bin has no such end.
        - training_count: entities of the bin; a feature's sum to all entities of the fit.
        - training_minimum, training_maximum: of the feature; missing without any value.
        A fit has rows only if `inputs` are the very data it was made on (`fit.data_hash`):
        of newer data its distributions cannot be had.

    Raises:
        ValueError: inputs are malformed (see `fit.fit_missing`).
    """
    known = set(conform(earlier_distributions, FIT_DISTRIBUTIONS)["fit_id"])
    rows: list[dict[str, object]] = []
    for fit_id, fit in fits[~fits["fit_id"].isin(known)].groupby("fit_id", sort=False):
        segmentation, features = _segmentation_and_features(fit)
        entity_ids, values = own_inputs(inputs, segmentation, len(features))
        if data_hash(entity_ids, values) != fit["data_hash"].iloc[0]:
            continue
        for position, feature in enumerate(features, start=1):
            column = values[:, position - 1]
            present = column[~np.isnan(column)]
            edges = _edges(present)
            lows = [np.nan, np.nan, *edges]
            highs = [np.nan, *edges, np.nan]
            rows += [
                {
                    "fit_id": fit_id,
                    "segmentation": segmentation,
                    "feature": feature,
                    "feature_position": position,
                    "bin": number,
                    "bin_low": lows[number],
                    "bin_high": highs[number],
                    "training_count": count,
                    "training_minimum": present.min() if present.size else np.nan,
                    "training_maximum": present.max() if present.size else np.nan,
                }
                for number, count in enumerate(_counts(column, edges))
            ]
    return conform(pd.DataFrame(rows), FIT_DISTRIBUTIONS)


def drift_periods(
    fits: pd.DataFrame,
    distributions: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    as_of_on: date | str,
    confidence_level: float,
    smallest_psi: float,
) -> pd.DataFrame:
    """Compare the inputs with what the fits in use were made on, feature by feature.

    PSI, the population stability index, is the sum over bins of (share now - share then) times
    the logarithm of their ratio. Without drift it is about (1/n + 1/m) times a chi-squared
    variable with one degree of freedom fewer than bins (Yurdakul 2018), n and m being the sizes
    of both samples: its p comes from there, adjusted over the features of a segmentation and the
    shares of its segments (Benjamini and Hochberg 1995). The stored bins are merged, in their
    order, into about 10 with equally many entities of both samples together and with at least 5
    expected in the smaller one; a value that a tenth shares stays alone. Missing values are one
    bin more where 5 are expected, and left out of PSI elsewhere. An empty bin counts as half an
    entity.

    A row alarms if its adjusted p is at most 1 - confidence_level and its PSI at least
    `smallest_psi`: at a million entities any difference is significant, and at a hundred chance
    alone exceeds any fixed PSI.

    The p are those of independent samples. Periods of a bank compare the same customers at two
    dates, whose values go together: chance then moves PSI less, and alarms are rarer than stated.

    Args:
        fits: fits in use, columns of `frames.FITS`.
        distributions: rows that `fit_distributions` returned, of any fit.
        inputs: as for `fit.fit_missing`, at this period.
        as_of_on: the date the inputs describe, which names the period.
        confidence_level: without drift at most 1 - confidence_level of the periods of a
            segmentation alarm.
        smallest_psi: the smallest PSI anybody would act on.

    Returns:
        One row per segmentation and feature, and one (drift_in 'segment_shares') for the shares
        of the segments; columns of `frames.DRIFT_PERIODS`. A segmentation without any entity has
        no rows.
        - psi_by_chance: what PSI exceeds by chance, in any row of a segmentation, in
          1 - confidence_level of the periods.
        - ks_distance: largest difference of the cumulated shares at the edges of the stored
          bins; ks_p: of Kolmogorov's distribution, which bins and shared values make too large.
          Neither decides.
        - beyond_training_share: entities below the training range or above it, of those with a
          value.
        - null_reasons: 'training_data_gone', if a fit has no distributions; 'too_few', if a
          sample has fewer than 10 entities. Both leave PSI, p and is_alarm missing.

    Raises:
        ValueError: inputs are malformed (see `fit.fit_missing`).
    """
    rows: list[dict[str, object]] = []
    level = 1 - confidence_level
    for fit_id, fit in fits.groupby("fit_id", sort=False):
        segmentation, features = _segmentation_and_features(fit)
        entity_ids, values = own_inputs(inputs, segmentation, len(features))
        if not entity_ids:
            continue
        period = {
            "segmentation": segmentation,
            "as_of_on": pd.Timestamp(as_of_on),
            "fit_id": fit_id,
            "fitted_as_of_on": fit["as_of_on"].iloc[0],
            "data_hash": data_hash(entity_ids, values),
            "training_entity_count": int(fit["entity_count"].iloc[0]),
            "entity_count": len(entity_ids),
            "smallest_psi": smallest_psi,
            "family": f"{segmentation}: drift",
        }
        own = distributions[distributions["fit_id"] == fit_id].sort_values("bin")
        changes, figures = {}, {}
        for position, feature in enumerate(features):
            bins = own[own["feature"] == feature]
            changes[feature], figures[feature] = _feature_change(bins, values[:, position])
        changes[SEGMENT_SHARES] = _segment_change(fit, values)
        adjusted = adjusted_p_values({name: change.p for name, change in changes.items()})
        known_count = sum(not math.isnan(p) for p in adjusted.values())
        for name, change in changes.items():
            row = {
                "drift_in": name,
                "bin_count": change.bin_count,
                "psi": change.psi,
                "p": change.p,
                "adjusted_p": adjusted[name],
            }
            if math.isnan(change.p):
                is_gone = name != SEGMENT_SHARES and not (own["feature"] == name).any()
                row["null_reasons"] = TRAINING_DATA_GONE if is_gone else TOO_FEW
            else:
                row["psi_by_chance"] = change.psi_at(level / known_count)
                row["is_alarm"] = adjusted[name] <= level and change.psi >= smallest_psi
            rows.append(period | row | figures.get(name, {}))
    return conform(pd.DataFrame(rows, columns=list(DRIFT_PERIODS)), DRIFT_PERIODS)


def untried(
    periods: pd.DataFrame,
    fits: pd.DataFrame,
    earlier_trials: pd.DataFrame,
    *,
    as_of_on: date | str,
) -> pd.DataFrame:
    """Return segmentation, fit_id, data_hash and entity_count of the fits to be tried on new data.

    Args:
        periods: rows that `drift_periods` returned, of any period.
        fits: fits in use; rows of others are passed over.
        earlier_trials: rows that `refit_trials` returned.
        as_of_on: the period whose data are looked at.

    Returns:
        One row per fit of the period, unless it was tried on the same data before.
    """
    tried = conform(earlier_trials, REFIT_TRIALS)
    current = _current(periods, fits, as_of_on)[TRIAL_KEYS].drop_duplicates()
    known = set(zip(tried["fit_id"], tried["data_hash"], strict=True))
    is_new = [key not in known for key in zip(current["fit_id"], current["data_hash"], strict=True)]
    return current[np.array(is_new, dtype=bool)]


def refit_trials(
    specifications: Sequence[Specification],
    fits: pd.DataFrame,
    to_try: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    random_seed: int,
    sample_size: int,
) -> pd.DataFrame:
    """Fit anew on the inputs of now, without publishing it, and count who would change segment.

    The new segments take the places of the old ones by optimal assignment on the entities they
    share (Kuhn 1955); an entity moves if its new segment took another place than its old one, or
    none. Both divide the same entities, those of the inputs.

    Args:
        specifications: as for `fit.fit_missing`.
        fits: fits in use, columns of `frames.FITS`.
        to_try: what `untried` returned.
        inputs: as for `fit.fit_missing`, of the data hashes that `to_try` has.
        random_seed: seed of sample and k-means starts.
        sample_size: at most so many entities, drawn at random, are fitted and counted.

    Returns:
        One row per row of `to_try`; columns of `frames.REFIT_TRIALS`.
        - is_training_data: the inputs are what the fit was made on; nothing is fitted then, and
          nothing moves.
        - moving_count: of the sampled_count entities looked at.
        - refit_agreement: adjusted Rand index (Hubert and Arabie 1985) of the old and the new
          segments, whatever places they take.

    Raises:
        ValueError: sample_size is below 1; inputs are malformed (see `fit.fit_missing`).
    """
    if sample_size < 1:
        raise ValueError(f"sample_size is {sample_size}, but must be at least 1.")
    by_name = {str(specification["name"]): specification for specification in specifications}
    rows: list[dict[str, object]] = []
    for key in to_try[TRIAL_KEYS].to_numpy():
        trial = dict(zip(TRIAL_KEYS, key, strict=True))
        fit = fits[fits["fit_id"] == trial["fit_id"]]
        is_training_data = trial["data_hash"] == fit["data_hash"].iloc[0]
        moving_count, sampled_count, agreement = 0, trial["entity_count"], 1.0
        if not is_training_data:
            specification = by_name[trial["segmentation"]]
            old, new = _old_and_new(fit, specification, inputs, random_seed, sample_size)
            moving_count, sampled_count = _moving_count(old, new), len(old)
            agreement = float(adjusted_rand_score(old, new))
        figures = {
            "is_training_data": is_training_data,
            "sampled_count": sampled_count,
            "moving_count": moving_count,
            "refit_agreement": agreement,
            "random_seed": random_seed,
        }
        rows.append(trial | figures)
    return conform(pd.DataFrame(rows), REFIT_TRIALS)


def refit_advice(
    periods: pd.DataFrame,
    fits: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    as_of_on: date | str,
    confidence_level: float,
    smallest_moving_share: float,
) -> pd.DataFrame:
    """Advise on each segmentation whether to fit it anew.

    The rule, of which this is the only place:
    - refit: something alarms, and a refit would move at least `smallest_moving_share` of the
      members looked at.
    - watch: something alarms, but fewer would move; or nothing alarms, but not everything could
      be compared.
    - keep: everything was compared and nothing alarms, whatever a refit would move.

    Args:
        periods: rows that `drift_periods` returned, of any period.
        fits: fits in use; rows of others are passed over.
        trials: rows that `refit_trials` returned, of any fit and data.
        as_of_on: the period to advise on.
        confidence_level: of the interval of the moving share.
        smallest_moving_share: from which share on moving members are worth a refit.

    Returns:
        One row per segmentation of the period; columns of `frames.REFIT_ADVICE`.
        - alarm_count, compared_count: features, segment shares counted as one, that alarm, and
          that could be compared.
        - largest_psi, largest_psi_in: among those that alarm, or among all if none does.
        - moving_share with its interval (Wilson 1927): of members like those looked at; on the
          data the fit was made on, 0 to 0.
        - reason: the rule's figures as a sentence or two.

    Raises:
        ValueError: a segmentation of the period was not tried on its data.
    """
    current = _current(periods, fits, as_of_on)
    rows: list[dict[str, object]] = []
    for (fit_id, own_hash), period in current.groupby(["fit_id", "data_hash"], sort=False):
        is_own = (trials["fit_id"] == fit_id) & (trials["data_hash"] == own_hash)
        segmentation = period["segmentation"].iloc[0]
        if not is_own.any():
            raise ValueError(f"No refit of segmentation '{segmentation}' was tried on its data.")
        trial = trials[is_own].iloc[0]
        compared = period[period["psi"].notna()]
        alarms = compared[compared["is_alarm"].astype(bool)]
        shown = alarms if len(alarms) else compared
        largest = shown.nlargest(1, "psi")
        moving, sampled = int(trial["moving_count"]), int(trial["sampled_count"])
        interval = binomtest(moving, sampled).proportion_ci(confidence_level, "wilson")
        is_worth_it = moving >= smallest_moving_share * sampled
        if len(alarms):
            advice = REFIT if is_worth_it else WATCH
        else:
            advice = KEEP if len(compared) == len(period) else WATCH
        rows.append(
            {
                "segmentation": segmentation,
                "fit_id": fit_id,
                "advice": advice,
                "reason": _reason(period, compared, alarms, trial, smallest_moving_share),
                "alarm_count": len(alarms),
                "compared_count": len(compared),
                "largest_psi": largest["psi"].max(),
                "largest_psi_in": largest["drift_in"].max() if len(largest) else None,
                "sampled_count": sampled,
                "moving_count": moving,
                "moving_share": moving / sampled,
                "moving_share_low": 0.0 if trial["is_training_data"] else interval.low,
                "moving_share_high": 0.0 if trial["is_training_data"] else interval.high,
                "smallest_moving_share": smallest_moving_share,
                "refit_agreement": trial["refit_agreement"],
            }
        )
    return conform(pd.DataFrame(rows), REFIT_ADVICE)


def _current(periods: pd.DataFrame, fits: pd.DataFrame, as_of_on: date | str) -> pd.DataFrame:
    is_now = pd.to_datetime(periods["as_of_on"]) == pd.Timestamp(as_of_on)
    return periods[is_now & periods["fit_id"].isin(fits["fit_id"])]


def _segmentation_and_features(fit: pd.DataFrame) -> tuple[str, list[str]]:
    features = fit.drop_duplicates("feature_position").sort_values("feature_position")
    return str(fit["segmentation"].iloc[0]), [str(name) for name in features["feature"]]


def _edges(present: Floats) -> Floats:
    """Return where one feature is cut: below its least value first, above its largest last."""
    if not present.size:
        return np.array([])
    distance = EDGE_DISTANCE * (float(np.abs(present).max()) or 1.0)
    if mean_and_deviation(present)[2]:
        return np.array([present.min() - distance, present.max() + distance])
    values, counts = np.unique(present, return_counts=True)
    is_shared = (counts > 1) & (counts * STORED_BINS >= present.size)
    below = np.cumsum(counts) - counts
    slots = STORED_BINS * below // present.size
    middles = (values[:-1] + values[1:]) / 2
    edges = [
        np.array([values[0] - distance, values[-1] + distance]),
        middles[(np.diff(slots) > 0) & ~is_shared[:-1] & ~is_shared[1:]],
        np.minimum(values[:-1] + distance, middles)[is_shared[:-1]],
        np.maximum(values[1:] - distance, middles)[is_shared[1:]],
    ]
    return np.unique(np.concatenate(edges))


def _counts(column: Floats, edges: Floats) -> Integers:
    """Return entities per bin: missing values, up to the first edge, ..., from the last edge on."""
    is_missing = np.isnan(column)
    bins = 1 + np.searchsorted(edges, column[~is_missing], side="right")
    counts = np.bincount(bins, minlength=len(edges) + 2)
    counts[MISSING_BIN] = is_missing.sum()
    return counts


def _feature_change(bins: pd.DataFrame, column: Floats) -> tuple[_Change, dict[str, float]]:
    """Compare a column with the stored bins of its feature, of which there may be none."""
    figures = {"missing_share": float(np.isnan(column).mean())}
    if bins.empty:
        return UNKNOWN, figures
    edges = bins["bin_high"].dropna().to_numpy()
    then = bins["training_count"].to_numpy()
    now = _counts(column, edges)
    figures["training_missing_share"] = then[MISSING_BIN] / then.sum()
    present_then, present_now = then[1:], now[1:]
    if present_then.sum() and present_now.sum():
        shares = [np.cumsum(counts) / counts.sum() for counts in (present_then, present_now)]
        figures["ks_distance"] = float(np.abs(shares[0] - shares[1]).max())
        spread = 1 / present_then.sum() + 1 / present_now.sum()
        figures["ks_p"] = float(kolmogorov(figures["ks_distance"] / math.sqrt(spread)))
        figures["beyond_training_share"] = (now[1] + now[-1]) / present_now.sum()
    cells = _merged(np.stack([present_then, present_now]), PSI_BINS)
    missing = np.array([[then[MISSING_BIN]], [now[MISSING_BIN]]])
    everything = np.hstack([cells, missing])
    if missing.sum() >= _least_count(everything):
        cells = everything
    return _change(cells), figures


def _segment_change(fit: pd.DataFrame, values: Floats) -> _Change:
    """Compare how many entities each segment had at the fit and has now."""
    segments = fit.drop_duplicates("segment_id").sort_values("segment_id")
    members = nearest(standardised_by(fit, values), centres_of(fit))[0]
    counts = np.stack(
        [segments["training_count"].to_numpy(), np.bincount(members, minlength=len(segments))]
    )
    by_size = counts[:, np.argsort(counts.sum(axis=0), kind="stable")]
    return _change(_merged(by_size, int(counts.sum())))


def _least_count(cells: Integers) -> float:
    """Return how many entities of both samples a cell needs, so that 5 are expected in each."""
    sizes = cells.sum(axis=1)
    return float(LEAST_EXPECTED * sizes.sum() / max(sizes.min(), 1))


def _merged(cells: Integers, most_bins: int) -> Integers:
    """Merge neighbouring cells (two samples by cells) until 5 are expected in each of the smaller.

    Cells that hold less than 1 / most_bins are put together by their place in both samples.
    """
    pooled = cells.sum(axis=0)
    total, smaller = int(pooled.sum()), int(cells.sum(axis=1).min())
    slot_count = max(1, min(most_bins, smaller // LEAST_EXPECTED))
    slots = slot_count * (np.cumsum(pooled) - pooled) // max(total, 1)
    is_large = pooled * slot_count >= total
    is_cut = (np.diff(slots) > 0) | is_large[:-1] | is_large[1:]
    groups = np.concatenate([[0], np.cumsum(is_cut)])
    merged = [np.bincount(groups, weights=sample).astype(np.int64) for sample in cells]
    columns = list(np.stack(merged, axis=1))
    least = _least_count(cells)
    while len(columns) > 1 and min(column.sum() for column in columns) < least:
        place = min(range(len(columns)), key=lambda one: columns[one].sum())
        beside = [one for one in (place - 1, place + 1) if 0 <= one < len(columns)]
        other = min(beside, key=lambda one: columns[one].sum())
        columns[other] = columns[other] + columns[place]
        del columns[place]
    return np.stack(columns, axis=1)


def _change(cells: Integers) -> _Change:
    then_size, now_size = (int(size) for size in cells.sum(axis=1))
    if min(then_size, now_size) < 2 * LEAST_EXPECTED:
        return UNKNOWN
    then, now = (np.maximum(sample, 0.5) / sample.sum() for sample in cells)
    psi = float(((now - then) * np.log(now / then)).sum())
    spread = 1 / then_size + 1 / now_size
    freedom = cells.shape[1] - 1
    p = float(chdtrc(freedom, psi / spread)) if freedom else 1.0
    return _Change(cells.shape[1], psi, spread, p)


def _old_and_new(
    fit: pd.DataFrame,
    specification: Specification,
    inputs: pd.DataFrame,
    random_seed: int,
    sample_size: int,
) -> tuple[Integers, Integers]:
    """Return each sampled entity's segment by the fit, and by one made anew on the sample."""
    features = specification["features"]
    _, values = own_inputs(inputs, str(specification["name"]), len(features))
    if len(values) > sample_size:
        random = stream(random_seed, str(fit["fit_id"].iloc[0]))
        values = values[random.choice(len(values), sample_size, replace=False)]
    old = nearest(standardised_by(fit, values), centres_of(fit))[0]
    standardised = standardise(values, features).values
    # Threads cost fits as small as these more than they give.
    with threadpool_limits(1):
        clusters = form_clusters(standardised, int(fit["requested_k"].iloc[0]), random_seed)
    return old, nearest(standardised, clusters.centres)[0]


def _moving_count(old: Integers, new: Integers) -> int:
    shared = np.zeros((old.max() + 1, new.max() + 1), dtype=np.int64)
    np.add.at(shared, (old, new), 1)
    return int(len(old) - shared[linear_sum_assignment(shared, maximize=True)].sum())


def _reason(
    period: pd.DataFrame,
    compared: pd.DataFrame,
    alarms: pd.DataFrame,
    trial: pd.Series,
    smallest_moving_share: float,
) -> str:
    if trial["is_training_data"]:
        return "The data are those the fit was made on: nothing moved, and a refit changes nothing."
    count, left_out = len(compared), len(period) - len(compared)
    if not count:
        sentences = ["How far the data moved from those of the fit is not known."]
    else:
        largest = (alarms if len(alarms) else compared).nlargest(1, "psi").iloc[0]
        found = f"{len(alarms) or 'None'} of {count} comparisons with the data of the fit "
        found += "alarm" if len(alarms) > 1 else "alarms"
        most = f"{largest['drift_in']} moved most (PSI {largest['psi']:.3f}, against "
        most += f"{largest['psi_by_chance']:.3f} by chance)"
        sentences = [f"{found}; {most}."]
    if count and left_out:
        sentences.append(f"{left_out} more could not be made.")
    moving, sampled = int(trial["moving_count"]), int(trial["sampled_count"])
    sentences.append(
        f"A refit would move {moving:,} of {sampled:,} members ({moving / sampled:.1%}; at least "
        f"{smallest_moving_share:.0%} are asked for)."
    )
    return " ".join(sentences)
