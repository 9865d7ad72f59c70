"""Fits segmentations by k-means; a fit is rows of numbers that SQL can assign customers with."""

import hashlib
import itertools
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation.frames import FIT_CHOICES, FIT_QUALITY, FITS, LATEST_MEMBERS, conform
from segmentation.identity import kept_ids, members_by_group, segment_ids
from segmentation.personas import Floats, Persona, match_personas, read_personas

Specification = Mapping[str, Any]

FITTED = "fitted"
TOO_FEW_ENTITIES = "too_few_entities"
ALL_EQUAL = "all_equal"

# The number of segments of a specification that leaves it to the data (see `quality.fit_quality`).
AUTO = "auto"

# Of how many segments every fit's quality is measured, and the range of AUTO unless stated.
LARGEST_AUTO_K = 10

START_COUNT = 20

# Of more entities, so many tell which start is best; from there on all of them count.
SAMPLE_SIZE = 50_000

# An id promises no name, so any resemblance to a persona is enough to take its place in line.
ANY_RESEMBLANCE = 1e-9

# Relative spread below which a column differs by rounding alone; k-means would magnify it.
ROUNDING = 1e-14

# Centres are ordered as rounded: their last bits depend on the number of threads.
CENTRE_DECIMALS = 9

# Zero is zero under each of them, which the missing rule 'zero' relies on.
TRANSFORMS: Mapping[str, Callable[[float], float]] = {
    "none": float,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "asinh": math.asinh,
}


@dataclass(frozen=True)
class PlannedFit:
    """A fit to be made: its id, what the id rests on, and entities by features."""

    fit_id: str
    specification_hash: str
    data_hash: str
    entity_ids: list[str]
    values: Floats


@dataclass(frozen=True)
class Standardised:
    """Entities by features in standard deviations from the mean, and how they came to be so."""

    values: Floats
    fill_values: list[float]
    shifts: list[float]
    scales: list[float]


@dataclass(frozen=True)
class Clusters:
    """Clusters by features in standard deviations from the mean; one count per cluster."""

    outcome: str
    centres: Floats
    labels: npt.NDArray[np.int32]
    inertia: float

    @property
    def counts(self) -> list[int]:
        """Entities of each cluster."""
        return [int(count) for count in np.bincount(self.labels, minlength=len(self.centres))]


def fit_missing(
    specifications: Sequence[Specification],
    inputs: pd.DataFrame,
    personas: pd.DataFrame,
    earlier_fits: pd.DataFrame,
    latest_members: pd.DataFrame,
    *,
    refit: Sequence[str],
    as_of_on: date | str,
    random_seed: int,
    minimum_overlap: float,
    quality: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Fit every specification that has no usable fit yet, and those named in `refit`.

    A specification is fitted if `refit` names it, or if no earlier fit of the same
    specification hash has the outcome 'fitted': one that was made on too few entities is tried
    again as soon as the data differ. The fit id is the hash of specification, exact data and
    random seed, so that fitting the same data again adds nothing.

    Missing and infinite values are replaced by each feature's fill value, then every feature is
    standardised to mean 0 and standard deviation 1, then k-means (Lloyd 1982, with the starts of
    Arthur and Vassilvitskii 2007, the best of 20) finds the centres; of more than 50,000 entities,
    so many drawn at random tell which start is best, and from its centres k-means goes on over all.
    With fewer distinct entities than segments asked for there is one segment, whose centre is the
    mean.

    The segments of a first fit are numbered after the personas, not in the order in which k-means
    numbers its clusters: clusters that resemble a persona come first, in the order of the
    personas' first rows; the rest follow, the largest first, then by centre. In a later fit a
    cluster takes the id of the segment whose members it shares (see `identity.kept_ids`); one
    that shares too few gets an id that no fit of the segmentation ever had.

    Args:
        specifications: mappings with name, grain, k (a number, or 'auto' with an optional
            k_range, the smallest and the largest to choose from) and features, a list of mappings
            with name, transform and missing: 'median' or 'mean' (of the transformed values; 0 if
            there are none), 'zero', or a number in the feature's own units, which is transformed
            as the feature is.
        inputs: one row per segmentation and entity, with the columns segmentation, entity_id and
            value_01, value_02, ...: the transformed values of the specification's features, in
            its order. The order of the rows has no influence.
        personas: one row per segmentation, persona and feature (see `read_personas`).
        earlier_fits: rows that this function returned before, of any specification.
        latest_members: one row per segmentation and entity, with the columns segmentation,
            entity_id, segment_id: where each entity was last; empty where nobody knows.
        refit: names of the specifications to fit again, or ['all'].
        as_of_on: the date the inputs describe.
        random_seed: seed of the k-means starts.
        minimum_overlap: the smallest Jaccard similarity at which a cluster keeps an id.
        quality: rows of `quality.fit_quality` from the same arguments; they say which k is chosen
            where a specification has k 'auto', and are read for nothing else.

    Returns:
        The new fits alone, in the order of `specifications`, one row per fit, segment and
        feature, with the columns and dtypes of `frames.FITS`, also if there are none.
        - fit_number: 1, 2, ... within a segmentation, continuing `earlier_fits`.
        - outcome: 'fitted'; 'too_few_entities' for fewer distinct entities than k, or one alone;
          'all_equal' for several that do not differ.
        - fill_value, shift (mean), scale (population standard deviation, 1 for a constant
          column): in transformed units, over the column with its missing values filled.
        - centre: in standard deviations from the mean; inertia: in squares of these, summed.
        - training_count: entities of the segment at the fit; entity_count: of all segments.
        A specification without any entity gets no rows.

    Raises:
        ValueError: `refit` names no specification handed in; inputs lack a value column or hold
            an entity twice or without id; a missing rule is unknown; a persona is malformed; k is
            'auto' and quality says nothing on the fit.
    """
    names = [str(specification["name"]) for specification in specifications]
    unknown = [name for name in refit if name not in (*names, "all")]
    if unknown:
        raise ValueError(
            f"Refit names '{unknown[0]}', but the active segmentations are "
            f"{', '.join(names) or 'none'}."
        )
    earlier = conform(earlier_fits, FITS)
    new_fits = [
        _fit(
            specification,
            inputs,
            personas,
            earlier,
            latest_members,
            refit=refit,
            as_of_on=as_of_on,
            random_seed=random_seed,
            minimum_overlap=minimum_overlap,
            quality=quality,
        )
        for specification in specifications
    ]
    return conform(pd.DataFrame([row for rows in new_fits for row in rows]), FITS)


def choose_fits(
    specifications: Sequence[Specification],
    fits: pd.DataFrame,
    earlier_choices: pd.DataFrame,
    *,
    rollback: str | None,
    as_of_on: date | str,
) -> pd.DataFrame:
    """Say which fits came into use: those never used so far, and one to go back to.

    Args:
        specifications: as for `fit_missing`.
        fits: rows that `fit_missing` returned, of any specification and age.
        earlier_choices: rows that this function returned before.
        rollback: the id of a fit to use again, or None.
        as_of_on: the date of the build that uses them.

    Returns:
        The new choices alone, one row per fit, with the columns of `frames.FIT_CHOICES`.
        choice_number: 1, 2, ... within a segmentation, continuing `earlier_choices`; the last one
        of a specification's fits is in use. choice_reason: 'fit' or 'rollback'.

    Raises:
        ValueError: `rollback` names no fit, or one of another specification than today's.
    """
    known = (
        conform(fits, FITS).drop_duplicates("fit_id").sort_values(["segmentation", "fit_number"])
    )
    earlier = conform(earlier_choices, FIT_CHOICES)
    unused = known[~known["fit_id"].isin(earlier["fit_id"])]
    chosen = [(row.segmentation, row.fit_id, "fit") for row in unused.itertuples()]
    if rollback is not None:
        chosen.append((_rolled_back(specifications, known, rollback), rollback, "rollback"))
    numbers = earlier.groupby("segmentation")["choice_number"].max().to_dict()
    rows = []
    for segmentation, fit_id, reason in chosen:
        numbers[segmentation] = int(numbers.get(segmentation, 0)) + 1
        rows.append(
            {
                "segmentation": segmentation,
                "choice_number": numbers[segmentation],
                "fit_id": fit_id,
                "choice_reason": reason,
                "as_of_on": pd.Timestamp(as_of_on),
            }
        )
    return conform(pd.DataFrame(rows), FIT_CHOICES)


def _rolled_back(
    specifications: Sequence[Specification], known: pd.DataFrame, rollback: str
) -> str:
    """Return the segmentation of the fit to go back to."""
    own = known[known["fit_id"] == rollback]
    if own.empty:
        raise ValueError(
            f"FIT names '{rollback}', which is no fit; there are {', '.join(known['fit_id'])}."
        )
    name = str(own["segmentation"].iloc[0])
    today = {str(specification["name"]): specification for specification in specifications}
    if name not in today or specification_hash(today[name]) != own["specification_hash"].iloc[0]:
        raise ValueError(
            f"FIT names '{rollback}', which was made by another specification of '{name}' than "
            "dbt_project.yml has now; put that specification back first."
        )
    return name


def current_fits(
    specifications: Sequence[Specification], fits: pd.DataFrame, choices: pd.DataFrame
) -> pd.DataFrame:
    """Return the fit in use of each specification as it reads now.

    Args:
        specifications: as for `fit_missing`.
        fits: rows that `fit_missing` returned, of any specification and age.
        choices: rows that `choose_fits` returned; a fit without any is not in use.

    Returns:
        The rows of `fits` with, per specification, the last choice among the fits of its
        specification hash, a fit that could form its groups before one that could not; nothing
        for a specification without a fit. Columns of `frames.FITS`.
    """
    known = conform(fits, FITS)
    own_hashes = [specification_hash(specification) for specification in specifications]
    last_choice = conform(choices, FIT_CHOICES).groupby("fit_id")["choice_number"].max()
    is_usable = known["specification_hash"].isin(own_hashes)
    usable = known[is_usable & known["fit_id"].isin(last_choice.index)]
    is_fitted = usable["outcome"] == FITTED
    preference = usable["fit_id"].map(last_choice) + is_fitted * (1 + last_choice.max())
    preferred = preference.groupby(usable["specification_hash"]).transform("max")
    return conform(usable[preference == preferred], FITS)


def specification_hash(specification: Specification) -> str:
    """Return 16 hex digits of SHA-256 over what a fit depends on: name, grain, k and features.

    Of each feature, in order, count name, transform, missing rule and values. Descriptions and
    personas do not count, nor does the spelling of a number (0 or 0.0), nor what 'auto' chose.
    """
    features = [
        {
            "name": feature["name"],
            "transform": feature["transform"],
            "missing": _canonical_rule(feature["missing"]),
            "values": feature.get("values"),
        }
        for feature in specification["features"]
    ]
    content = {
        "name": specification["name"],
        "grain": specification["grain"],
        "k": specification["k"] if specification["k"] == AUTO else int(specification["k"]),
        "features": features,
    }
    if specification["k"] == AUTO:
        candidates = k_candidates(specification)
        content["k_range"] = [min(candidates), max(candidates)]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def data_hash(entity_ids: Sequence[str], values: Floats) -> str:
    """Return 16 hex digits of SHA-256 over ids and the exact values, NaN and 0 in one form each.

    Args:
        entity_ids: sorted.
        values: entities by features, rows in the order of `entity_ids`.
    """
    canonical = np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8")
    digest = hashlib.sha256(json.dumps([list(entity_ids), values.shape]).encode())
    digest.update(np.ascontiguousarray(canonical).tobytes())
    return digest.hexdigest()[:16]


def _fit(
    specification: Specification,
    inputs: pd.DataFrame,
    personas: pd.DataFrame,
    earlier: pd.DataFrame,
    latest_members: pd.DataFrame,
    *,
    refit: Sequence[str],
    as_of_on: date | str,
    random_seed: int,
    minimum_overlap: float,
    quality: pd.DataFrame | None,
) -> list[dict[str, object]]:
    name = str(specification["name"])
    features = [str(feature["name"]) for feature in specification["features"]]
    known_personas = read_personas(personas, name, features)
    planned = planned_fit(specification, inputs, earlier, refit=refit, random_seed=random_seed)
    if planned is None:
        return []
    own_earlier = earlier[earlier["segmentation"] == name]
    k = _chosen_k(specification, planned.fit_id, quality)

    standardised = standardise(planned.values, specification["features"])
    clusters = form_clusters(standardised.values, k, random_seed)
    order = _first_order(clusters, features, known_personas)
    highest_id = int(own_earlier["segment_id"].max()) if len(own_earlier) else 0
    kept = {}
    if highest_id:
        latest = conform(latest_members, LATEST_MEMBERS)
        ids_before = latest[latest["segmentation"] == name].set_index("entity_id")["segment_id"]
        places = np.argsort(order)[clusters.labels]
        kept = kept_ids(members_by_group(ids_before, planned.entity_ids, places), minimum_overlap)
    ids = segment_ids(len(order), kept, highest_id)
    return [
        {
            "fit_id": planned.fit_id,
            "segmentation": name,
            "specification_hash": planned.specification_hash,
            "data_hash": planned.data_hash,
            "fit_number": 1 + int(own_earlier["fit_number"].max() if len(own_earlier) else 0),
            "as_of_on": pd.Timestamp(as_of_on),
            "outcome": clusters.outcome,
            "requested_k": k,
            "segment_id": segment_id,
            "feature": feature,
            "feature_position": position + 1,
            "transform": str(specification["features"][position]["transform"]),
            "fill_value": standardised.fill_values[position],
            "shift": standardised.shifts[position],
            "scale": standardised.scales[position],
            "centre": float(clusters.centres[cluster, position]),
            "training_count": clusters.counts[cluster],
            "entity_count": len(planned.entity_ids),
            "inertia": clusters.inertia,
            "random_seed": random_seed,
        }
        for segment_id, cluster in sorted(zip(ids, order, strict=True))
        for position, feature in enumerate(features)
    ]


def _first_order(
    clusters: Clusters, features: Sequence[str], personas: Sequence[Persona]
) -> list[int]:
    """Return the clusters' positions in the order of the personas they resemble."""
    order = _canonical_order(clusters)
    matches = match_personas(clusters.centres[order], features, personas, ANY_RESEMBLANCE)
    # Sorting is stable: clusters without a persona keep their canonical order, behind the others.
    places = sorted(
        range(len(order)),
        key=lambda place: matches[place][0] if place in matches else len(personas),
    )
    return [order[place] for place in places]


def planned_fit(
    specification: Specification,
    inputs: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    refit: Sequence[str],
    random_seed: int,
) -> PlannedFit | None:
    """Return the fit that a specification still needs (see `fit_missing`), None if it needs none.

    Args:
        earlier: rows on earlier fits with the columns segmentation, specification_hash, outcome
            and fit_id; whatever has them can be kept in step with the fits.
    """
    name = str(specification["name"])
    own = earlier[earlier["segmentation"] == name]
    own_hash = specification_hash(specification)
    is_usable = (own["specification_hash"] == own_hash) & (own["outcome"] == FITTED)
    if is_usable.any() and name not in refit and "all" not in refit:
        return None
    entity_ids, values = own_inputs(inputs, name, len(specification["features"]))
    if not entity_ids:
        return None
    own_data_hash = data_hash(entity_ids, values)
    fit_key = json.dumps([own_hash, own_data_hash, random_seed])
    fit_id = f"{name}-{hashlib.sha256(fit_key.encode()).hexdigest()[:12]}"
    if (own["fit_id"] == fit_id).any():
        return None
    return PlannedFit(fit_id, own_hash, own_data_hash, entity_ids, values)


def k_candidates(specification: Specification) -> range:
    """Return the numbers of segments that a specification allows; one, unless k is 'auto'."""
    if specification["k"] != AUTO:
        return range(int(specification["k"]), int(specification["k"]) + 1)
    smallest, largest = specification.get("k_range") or (1, LARGEST_AUTO_K)
    return range(int(smallest), int(largest) + 1)


def _chosen_k(specification: Specification, fit_id: str, quality: pd.DataFrame | None) -> int:
    if specification["k"] != AUTO:
        return int(specification["k"])
    known = conform(pd.DataFrame() if quality is None else quality, FIT_QUALITY)
    known = known[known["is_chosen"]]
    own = known[known["fit_id"] == fit_id]
    if own.empty:
        # Measured for a build that stopped before its fit, and the data changed since.
        own = known[known["specification_hash"] == specification_hash(specification)]
    if own.empty:
        raise ValueError(
            f"Segmentation '{specification['name']}' has k: auto, but its quality was not measured."
        )
    # Where no groups can form, 1 is chosen even if the range starts higher.
    return max(int(own["k"].iloc[-1]), min(k_candidates(specification)))


def own_inputs(inputs: pd.DataFrame, name: str, feature_count: int) -> tuple[list[str], Floats]:
    """Return one segmentation's ids, sorted, and its values, NaN for missing and infinite ones."""
    columns = [f"value_{position:02d}" for position in range(1, feature_count + 1)]
    lacking = [column for column in columns if column not in inputs.columns]
    if lacking:
        raise ValueError(
            f"Segmentation '{name}' has {feature_count} features, but its inputs lack the column "
            f"'{lacking[0]}'."
        )
    rows = inputs[inputs["segmentation"] == name]
    if rows["entity_id"].isna().any():
        raise ValueError(f"Inputs of segmentation '{name}' hold an entity without id.")
    entity_ids = [str(entity_id) for entity_id in rows["entity_id"]]
    values = rows[columns].to_numpy(dtype="float64", na_value=np.nan)
    # In one layout whatever the frame's: sums over it may differ in their last bits.
    values = np.ascontiguousarray(np.where(np.isfinite(values), values, np.nan))
    # They mostly come in order, and sorting a million of them takes longer than a fit.
    if all(first < second for first, second in itertools.pairwise(entity_ids)):
        return entity_ids, values
    order = sorted(range(len(entity_ids)), key=entity_ids.__getitem__)
    ordered_ids = [entity_ids[row] for row in order]
    for first, second in itertools.pairwise(ordered_ids):
        if first == second:
            raise ValueError(f"Inputs of segmentation '{name}' hold the entity '{first}' twice.")
    return ordered_ids, values[order]


def standardise(values: Floats, features: Sequence[Mapping[str, Any]]) -> Standardised:
    """Fill and standardise each column; constant columns become 0 throughout.

    Args:
        values: entities by features in transformed units, as `own_inputs` returns them.
        features: those of the specification, in its order.
    """
    result = np.zeros_like(values)
    fill_values, shifts, scales = [], [], []
    for position, feature in enumerate(features):
        column = values[:, position]
        fill_value = _fill_value(feature, column)
        filled = np.where(np.isnan(column), fill_value, column)
        shift, scale, is_constant = mean_and_deviation(filled)
        if not is_constant:
            result[:, position] = (filled - shift) / scale
        fill_values.append(fill_value)
        shifts.append(shift)
        scales.append(scale)
    return Standardised(result, fill_values, shifts, scales)


def standardised_by(fit: pd.DataFrame, values: Floats) -> Floats:
    """Return values in standard deviations from the mean as a fit has it, missing ones filled.

    Args:
        fit: the rows of one fit, columns of `frames.FITS`.
        values: entities by features in transformed units, as `own_inputs` returns them.
    """
    features = fit.drop_duplicates("feature_position").sort_values("feature_position")
    filled = np.where(np.isnan(values), features["fill_value"].to_numpy(), values)
    standardised: Floats = (filled - features["shift"].to_numpy()) / features["scale"].to_numpy()
    return standardised


def centres_of(fit: pd.DataFrame) -> Floats:
    """Return one fit's segments, in the order of their ids, by features; standard deviations."""
    return fit.pivot(index="segment_id", columns="feature_position", values="centre").to_numpy()


def _canonical_rule(rule: object) -> str | float:
    if isinstance(rule, str) and rule in ("median", "mean", "zero"):
        return rule
    if isinstance(rule, int | float) and not isinstance(rule, bool) and math.isfinite(rule):
        return float(rule)
    raise ValueError(f"A missing rule is median, mean, zero or a finite number, not {rule!r}.")


def _fill_value(feature: Mapping[str, Any], column: Floats) -> float:
    rule = _canonical_rule(feature["missing"])
    if isinstance(rule, float):
        try:
            return TRANSFORMS[feature["transform"]](rule)
        except ValueError:
            raise ValueError(
                f"Feature '{feature['name']}' replaces a missing value by {rule}, for which "
                f"{feature['transform']} is not defined."
            ) from None
    present = column[~np.isnan(column)]
    if rule == "zero" or present.size == 0:
        return 0.0
    if rule == "median":
        return float(np.median(present))
    return mean_and_deviation(present)[0]


def mean_and_deviation(column: Floats) -> tuple[float, float, bool]:
    """Return mean, population standard deviation (1 if constant), and whether it is constant."""
    if column.min() == column.max():
        return float(column[0]), 1.0, True
    largest = float(np.abs(column).max())
    # A power of two loses no digit, and keeps the squares of very large values finite.
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)
    scaled = column / unit
    mean, deviation = unit * float(scaled.mean()), unit * float(scaled.std())
    is_constant = deviation <= ROUNDING * largest
    return mean, 1.0 if is_constant else deviation, is_constant


def feasible_outcome(values: Floats, k: int) -> str:
    """Return 'fitted' if there are enough distinct rows for k clusters, else why there are not."""
    if len(values) == 1:
        return TOO_FEW_ENTITIES
    # Telling a million rows apart takes longer than fitting them; the first are mostly enough.
    for rows in (values[:SAMPLE_SIZE], values):
        distinct_count = len(pd.DataFrame(rows).drop_duplicates())
        if distinct_count >= max(k, 2):
            return FITTED
    return ALL_EQUAL if distinct_count == 1 else TOO_FEW_ENTITIES


def form_clusters(values: Floats, k: int, random_seed: int) -> Clusters:
    """Return k clusters, or a single one if there are not enough distinct rows for k.

    Args:
        values: entities by features, standardised.
        k: how many clusters are asked for.
        random_seed: seed of the k-means starts.
    """
    outcome = feasible_outcome(values, k)
    if outcome != FITTED:
        return _single_cluster(values, outcome)
    model = _k_means(values, k, random_seed)
    labels = model.labels_
    if len(np.unique(labels)) < k:
        return _single_cluster(values, TOO_FEW_ENTITIES)
    return Clusters(FITTED, model.cluster_centers_, labels, float(model.inertia_))


def _k_means(values: Floats, k: int, random_seed: int) -> KMeans:
    sample = values
    if len(values) > SAMPLE_SIZE:
        random = np.random.default_rng(random_seed)
        sample = values[np.sort(random.choice(len(values), SAMPLE_SIZE, replace=False))]
    with warnings.catch_warnings():
        # Rows that differ by rounding alone can leave fewer than k clusters; the caller looks.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Two threads take seven times the CPU of one for so few rows.
        with threadpool_limits(1):
            model = KMeans(k, n_init=START_COUNT, random_state=random_seed, algorithm="lloyd")
            model.fit(sample)
        if sample is not values:
            model = KMeans(k, init=model.cluster_centers_, n_init=1, algorithm="lloyd").fit(values)
    return model


def _single_cluster(values: Floats, outcome: str) -> Clusters:
    centre = values.mean(axis=0)
    inertia = float(((values - centre) ** 2).sum())
    return Clusters(outcome, centre[np.newaxis, :], np.zeros(len(values), dtype=np.int32), inertia)


def _canonical_order(clusters: Clusters) -> list[int]:
    """Return the clusters' positions, the largest first, then by centre."""
    centres = np.round(clusters.centres, CENTRE_DECIMALS) + 0.0
    return sorted(
        range(len(clusters.counts)),
        key=lambda cluster: (-clusters.counts[cluster], centres[cluster].tolist()),
    )
