"""Says how good every number of segments would be, and chooses one where the specification asks."""

import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    davies_bouldin_score,
    pairwise_distances,
    silhouette_score,
)
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation.fit import (
    AUTO,
    FITTED,
    LARGEST_AUTO_K,
    Specification,
    feasible_outcome,
    k_candidates,
    planned_fit,
    standardise,
)
from segmentation.frames import FIT_QUALITY, conform
from segmentation.noise import degenerate_reason
from segmentation.personas import Floats

Integers = npt.NDArray[np.int64]

# What is measured should be the best division there is.
START_COUNT = 10

# Evenly spread data have many divisions that are nearly as good, and the best of few starts is one.
REFERENCE_START_COUNT = 2

# A bootstrap fit with a single start would show the luck of starts, not of samples.
BOOTSTRAP_START_COUNT = 2

# A silhouette needs all pairs of rows.
SILHOUETTE_ROWS = 1500

# Centres still moving by this share of the mean variance count as at rest; a tenth of it takes
# twice the time and changes no figure that decides.
TOLERANCE = 1e-3

# A division without any spread left has an infinite gap; this share of the spread of all stands in.
NO_SPREAD = 1e-12


@dataclass(frozen=True)
class _Quality:
    """What one number of segments comes to; NaN where there are too few distinct entities."""

    k: int
    within_squares: float = np.nan
    gap: float = np.nan
    gap_standard_error: float = np.nan
    silhouette: float = np.nan
    davies_bouldin: float = np.nan
    stability: float = np.nan
    least_stability: float = np.nan
    smallest_share: float = np.nan


@dataclass(frozen=True)
class _Rule:
    """What a candidate needs of every segment, and the words for what is divided, a plural."""

    minimum_stability: float
    minimum_share: float
    entities: str


def fit_quality(
    specifications: Sequence[Specification],
    inputs: pd.DataFrame,
    earlier_quality: pd.DataFrame,
    *,
    refit: Sequence[str],
    random_seed: int,
    sample_size: int,
    minimum_stability: float,
    minimum_share: float,
    reference_sets: int = 20,
    bootstraps: int = 50,
) -> pd.DataFrame:
    """Measure 1 to 10 segments for every fit that `fit.fit_missing` is about to make.

    On a random sample of the standardised entities k-means is fitted for every k, and measured:

    - within_squares: squared distance to the own centre per entity, W(k).
    - gap (Tibshirani, Walther and Hastie 2001): the mean of log W(k) over reference sets less
      log W(k). Reference sets are uniform over a box along the principal axes of the data (their
      variant b), as wide as gives it the variance of the data there: the range that the authors
      take is a matter of a few outliers, and some tilted normal clouds had two segments by it. The
      standard error is the deviation over the reference sets times sqrt(1 + 1 / reference_sets).
    - silhouette (Rousseeuw 1987) on at most 1,500 rows; Davies-Bouldin (1979), lower is better.
    - stability (Hennig 2007): the sample is drawn again with replacement and fitted again; a
      segment's similarity is the largest Jaccard index of its drawn members with a segment of
      that fit, and its stability the mean over bootstraps. stability is the mean over segments,
      least_stability that of the least stable one; 1 for a single segment.
    - smallest_share: share of the sampled entities in the smallest segment.

    The rule, for `k: auto`: a number of the range (k_range, or 1 to 10) is a candidate if every
    segment's stability is at least `minimum_stability` and its share at least `minimum_share`; 1
    is always a candidate of a range that holds it. Of the candidates the smallest is chosen whose
    gap lies at most one standard error below the largest gap of a candidate. Without any
    candidate the most stable number of the range is taken. For a given k the same rule over 1 to
    10 says what it would have chosen.

    The authors' own rule takes the first k whose gap is within a standard error of the next, and
    so stops at the first dip: at 1 where several groups, divided in two, are no tighter than
    evenly spread data are.

    The cost is bounded by `sample_size`: about 4 s of one core for 1,000 entities and 9 features.

    Args:
        specifications, inputs, refit: as for `fit.fit_missing`.
        earlier_quality: rows that this function returned before; a fit that has them gets none.
        random_seed: as for `fit.fit_missing`; also of sample, reference sets and bootstraps.
        sample_size: at most so many entities are looked at, drawn at random.
        minimum_stability: least stability of a candidate, 0 to 1. Hennig calls 0.75 stable.
        minimum_share: least share of the smallest segment of a candidate, 0 to 1.
        reference_sets: of the gap.
        bootstraps: of the stability.

    Returns:
        New rows alone, one per fit and k from 1 to the larger of 10 and the largest k the
        specification allows; columns and dtypes of `frames.FIT_QUALITY`.
        - outcome: as of the fit; is_chosen: true for one k of a fit, 1 where no groups can form.
        - reason: on the chosen row, why, in a sentence or two; null on the others.

    Raises:
        ValueError: a number is out of range; inputs are malformed (see `fit.fit_missing`).
    """
    for name, number in (
        ("sample_size", sample_size),
        ("reference_sets", reference_sets),
        ("bootstraps", bootstraps),
    ):
        if number < 1:
            raise ValueError(f"{name} is {number}, but must be at least 1.")
    for name, share in (
        ("minimum_stability", minimum_stability),
        ("minimum_share", minimum_share),
    ):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}, but must be from 0 to 1.")
    earlier = conform(earlier_quality, FIT_QUALITY)
    rows: list[dict[str, object]] = []
    for specification in specifications:
        planned = planned_fit(specification, inputs, earlier, refit=refit, random_seed=random_seed)
        if planned is None:
            continue
        standardised = standardise(planned.values, specification["features"]).values
        random = np.random.default_rng([random_seed, zlib.crc32(planned.fit_id.encode())])
        sample = standardised[random.permutation(len(standardised))[:sample_size]]
        candidates = k_candidates(specification)
        entities = f"{str(specification['grain']).replace('_', ' ')}s"
        outcome = feasible_outcome(standardised, min(candidates))
        # Threads cost fits as small as these more than they give.
        with threadpool_limits(1):
            measured = _measure(
                sample,
                max(LARGEST_AUTO_K, *candidates),
                random,
                reference_sets=reference_sets,
                bootstraps=bootstraps,
            )
        chosen, reason = _chosen(
            specification,
            outcome,
            measured,
            _Rule(minimum_stability, minimum_share, entities),
        )
        rows += [
            {
                "fit_id": planned.fit_id,
                "segmentation": str(specification["name"]),
                "specification_hash": planned.specification_hash,
                "outcome": outcome,
                "k": quality.k,
                "sampled_count": len(sample),
                "within_squares": quality.within_squares,
                "gap": quality.gap,
                "gap_standard_error": quality.gap_standard_error,
                "reference_set_count": reference_sets,
                "silhouette": quality.silhouette,
                "davies_bouldin": quality.davies_bouldin,
                "stability": quality.stability,
                "least_stability": quality.least_stability,
                "bootstrap_count": bootstraps,
                "smallest_share": quality.smallest_share,
                "minimum_stability": minimum_stability,
                "minimum_share": minimum_share,
                "is_chosen": quality.k == chosen,
                "reason": reason if quality.k == chosen else None,
                "random_seed": random_seed,
            }
            for quality in measured
        ]
    return conform(pd.DataFrame(rows), FIT_QUALITY)


def _measure(
    sample: Floats,
    largest_k: int,
    random: np.random.Generator,
    *,
    reference_sets: int,
    bootstraps: int,
) -> list[_Quality]:
    """Return the figures of 1 to `largest_k` segments."""
    distinct_count = len(pd.DataFrame(sample).drop_duplicates())
    mean = sample.mean(axis=0)
    _, _, axes = np.linalg.svd(sample - mean, full_matrices=False)
    # Distances do not change with the axes, so the reference sets may stay in principal ones.
    principal = (sample - mean) @ axes.T
    half_widths = np.sqrt(3 * principal.var(axis=0))
    references = [
        random.uniform(-half_widths, half_widths, principal.shape) for _ in range(reference_sets)
    ]
    least_squares = NO_SPREAD * float((principal**2).sum())
    some = sample[:SILHOUETTE_ROWS]
    distances = pairwise_distances(some)

    result = []
    for k in range(1, largest_k + 1):
        if distinct_count < max(k, 2):
            result.append(_Quality(k))
            continue
        reference_logs = np.log(
            [
                max(_k_means(reference, k, REFERENCE_START_COUNT, random).inertia_, least_squares)
                for reference in references
            ]
        )
        model = _k_means(sample, k, START_COUNT, random)
        labels = model.labels_
        is_defined = 1 < len(np.unique(labels[: len(some)])) < len(some)
        stabilities = _stabilities(sample, labels, k, bootstraps, random)
        result.append(
            _Quality(
                k=k,
                within_squares=float(model.inertia_) / len(sample),
                gap=float(reference_logs.mean()) - math.log(max(model.inertia_, least_squares)),
                gap_standard_error=float(reference_logs.std()) * math.sqrt(1 + 1 / reference_sets),
                silhouette=(
                    float(silhouette_score(distances, labels[: len(some)], metric="precomputed"))
                    if is_defined
                    else np.nan
                ),
                davies_bouldin=(
                    float(davies_bouldin_score(some, labels[: len(some)])) if is_defined else np.nan
                ),
                stability=float(stabilities.mean()),
                least_stability=float(stabilities.min()),
                smallest_share=float(np.bincount(labels, minlength=k).min()) / len(sample),
            )
        )
    return result


def _k_means(
    values: Floats,
    k: int,
    start_count: int,
    random: np.random.Generator,
    weights: Floats | None = None,
) -> KMeans:
    model = KMeans(
        n_clusters=k,
        n_init=start_count,
        random_state=int(random.integers(2**31)),
        tol=TOLERANCE,
        algorithm="lloyd",
    )
    with warnings.catch_warnings():
        # Rows that differ by rounding alone can leave fewer than k clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(values, sample_weight=weights)


def _stabilities(
    sample: Floats, labels: Integers, k: int, bootstraps: int, random: np.random.Generator
) -> Floats:
    """Return each segment's mean Jaccard similarity over bootstraps (Hennig 2007)."""
    if k == 1:
        return np.ones(1)
    similarities = np.zeros((bootstraps, k))
    for place in range(bootstraps):
        weights = np.bincount(random.integers(len(sample), size=len(sample)), minlength=len(sample))
        drawn = np.flatnonzero(weights)
        if len(drawn) < k:
            continue
        model = _k_means(
            sample[drawn], k, BOOTSTRAP_START_COUNT, random, weights[drawn].astype(np.float64)
        )
        shared = np.bincount(labels[drawn] * k + model.labels_, minlength=k * k).reshape(k, k)
        either = shared.sum(axis=1)[:, np.newaxis] + shared.sum(axis=0) - shared
        similarities[place] = (shared / np.maximum(either, 1)).max(axis=1)
    means: Floats = similarities.mean(axis=0)
    return means


def _chosen(
    specification: Specification, outcome: str, measured: Sequence[_Quality], rule: _Rule
) -> tuple[int, str]:
    """Return the number of segments of the fit, and why, in sentences."""
    numbers = k_candidates(specification)
    if outcome != FITTED:
        return 1, degenerate_reason(outcome, 1, min(numbers), rule.entities)
    if specification["k"] == AUTO:
        return _by_rule(measured, numbers, rule)
    by_rule, why = _by_rule(measured, range(1, LARGEST_AUTO_K + 1), rule)
    given = min(numbers)
    same = " too" if by_rule == given else ""
    return given, (
        f"The specification gives {_segments(given)}. The rule would have chosen "
        f"{_segments(by_rule)}{same}: {why[0].lower()}{why[1:]}"
    )


def _by_rule(measured: Sequence[_Quality], numbers: range, rule: _Rule) -> tuple[int, str]:
    """Return the number that `fit_quality`'s rule chooses from `numbers`, and why."""
    possible = [
        quality for quality in measured if quality.k in numbers and not math.isnan(quality.gap)
    ]
    candidates = [
        quality
        for quality in possible
        if quality.k == 1
        or (
            quality.least_stability >= rule.minimum_stability
            and quality.smallest_share >= rule.minimum_share
        )
    ]
    asked = (
        f"is stable in every segment (at least {rule.minimum_stability:g}) with at least "
        f"{100 * rule.minimum_share:g} % of the {rule.entities} in each"
    )
    divided = f"{max(min(numbers), 2)} to {max(numbers)}"
    if not candidates:
        # Nothing is possible only where the sample lacks what the rest of the entities have.
        if not possible:
            return min(
                numbers
            ), f"Too few of the sampled {rule.entities} differ to compare numbers."
        steadiest = max(possible, key=lambda quality: (quality.least_stability, -quality.k))
        return steadiest.k, (
            f"No division into {divided} {asked}; the least stable segment is most stable "
            f"({steadiest.least_stability:.2f}) with {_segments(steadiest.k)}."
        )
    if [quality.k for quality in candidates] == [1]:
        return 1, f"No division into {divided} {asked}, so there is one segment."
    mark = max(candidates, key=lambda quality: (quality.gap, -quality.k))
    chosen = next(
        quality for quality in candidates if quality.gap >= mark.gap - mark.gap_standard_error
    )
    if chosen is not mark:
        return chosen.k, (
            f"The gap statistic of {_segments(chosen.k)} ({chosen.gap:.2f}) is within a standard "
            f"error ({mark.gap_standard_error:.2f}) of the largest, that of {mark.k} "
            f"({mark.gap:.2f}), among the numbers whose division {asked}."
        )
    if chosen.k == 1:
        return 1, (
            f"The gap statistic is largest ({chosen.gap:.2f}) for one segment: no division into "
            f"{divided} that {asked} tightens the {rule.entities} more than it would tighten "
            "evenly spread ones."
        )
    listed = ", ".join(str(quality.k) for quality in candidates)
    return chosen.k, (
        f"The gap statistic is largest ({chosen.gap:.2f}) for {_segments(chosen.k)} among the "
        f"numbers whose division {asked} ({listed})."
    )


def _segments(k: int) -> str:
    return f"{k} segment{'' if k == 1 else 's'}"
