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
import pandas as pd
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]

from segmentation.frames import FITS, conform
from segmentation.personas import Floats, match_personas, read_personas

Specification = Mapping[str, Any]

FITTED = "fitted"
TOO_FEW_ENTITIES = "too_few_entities"
ALL_EQUAL = "all_equal"

START_COUNT = 20

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
    counts: list[int]
    inertia: float


def fit_missing(
    specifications: Sequence[Specification],
    inputs: pd.DataFrame,
    personas: pd.DataFrame,
    earlier_fits: pd.DataFrame,
    *,
    refit: Sequence[str],
    as_of_on: date | str,
    random_seed: int,
) -> pd.DataFrame:
    """Fit every specification that has no usable fit yet, and those named in `refit`.

    A specification is fitted if `refit` names it, or if no earlier fit of the same
    specification hash has the outcome 'fitted': one that was made on too few entities is tried
    again as soon as the data differ. The fit id is the hash of specification, exact data and
    random seed, so that fitting the same data again adds nothing.

    Missing and infinite values are replaced by each feature's fill value, then every feature is
    standardised to mean 0 and standard deviation 1, then k-means (Lloyd 1982, with the starts of
    Arthur and Vassilvitskii 2007, the best of 20) finds the centres. With fewer distinct entities
    than segments asked for there is one segment, whose centre is the mean.

    Segment ids follow the personas, not the order in which k-means numbers its clusters: clusters
    that resemble a persona come first, in the order of the personas' first rows; the rest follow,
    the largest first, then by centre.

    Args:
        specifications: mappings with name, grain, k and features, a list of mappings with name,
            transform and missing: 'median' or 'mean' (of the transformed values; 0 if there are
            none), 'zero', or a number in the feature's own units, which is transformed as the
            feature is.
        inputs: one row per segmentation and entity, with the columns segmentation, entity_id and
            value_01, value_02, ...: the transformed values of the specification's features, in
            its order. The order of the rows has no influence.
        personas: one row per segmentation, persona and feature (see `read_personas`).
        earlier_fits: rows that this function returned before, of any specification.
        refit: names of the specifications to fit again, or ['all'].
        as_of_on: the date the inputs describe.
        random_seed: seed of the k-means starts.

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
            an entity twice or without id; a missing rule is unknown; a persona is malformed.
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
            earlier[earlier["segmentation"] == name],
            is_refit=name in refit or "all" in refit,
            as_of_on=as_of_on,
            random_seed=random_seed,
        )
        for name, specification in zip(names, specifications, strict=True)
    ]
    return conform(pd.DataFrame([row for rows in new_fits for row in rows]), FITS)


def current_fits(specifications: Sequence[Specification], fits: pd.DataFrame) -> pd.DataFrame:
    """Return the newest fit of each specification as it reads now.

    Args:
        specifications: as for `fit_missing`.
        fits: rows that `fit_missing` returned, of any specification and age.

    Returns:
        The rows of `fits` with, per specification, the highest fit_number among the fits of its
        specification hash, a fit that could form its groups before one that could not; nothing
        for a specification without a fit. Columns of `frames.FITS`.
    """
    known = conform(fits, FITS)
    own_hashes = [specification_hash(specification) for specification in specifications]
    usable = known[known["specification_hash"].isin(own_hashes)]
    is_fitted = usable["outcome"] == FITTED
    preference = usable["fit_number"] + is_fitted * (1 + known["fit_number"].max())
    preferred = preference.groupby(usable["specification_hash"]).transform("max")
    return conform(usable[preference == preferred], FITS)


def specification_hash(specification: Specification) -> str:
    """Return 16 hex digits of SHA-256 over what a fit depends on: name, grain, k and features.

    Of each feature, in order, count name, transform, missing rule and values. Descriptions and
    personas do not count, nor does the spelling of a number (0 or 0.0).
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
        "k": int(specification["k"]),
        "features": features,
    }
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
    *,
    is_refit: bool,
    as_of_on: date | str,
    random_seed: int,
) -> list[dict[str, object]]:
    name = str(specification["name"])
    features = [str(feature["name"]) for feature in specification["features"]]
    known_personas = read_personas(personas, name, features)
    own_hash = specification_hash(specification)
    is_usable = (earlier["specification_hash"] == own_hash) & (earlier["outcome"] == FITTED)
    if is_usable.any() and not is_refit:
        return []

    entity_ids, values = own_inputs(inputs, name, len(features))
    if not entity_ids:
        return []
    own_data_hash = data_hash(entity_ids, values)
    fit_key = json.dumps([own_hash, own_data_hash, random_seed])
    fit_id = f"{name}-{hashlib.sha256(fit_key.encode()).hexdigest()[:12]}"
    if (earlier["fit_id"] == fit_id).any():
        return []

    standardised = standardise(values, specification["features"])
    clusters = form_clusters(standardised.values, int(specification["k"]), random_seed)
    order = _canonical_order(clusters)
    matches = match_personas(clusters.centres[order], features, known_personas, ANY_RESEMBLANCE)
    # Sorting is stable: clusters without a persona keep their canonical order, behind the others.
    places = sorted(
        range(len(order)),
        key=lambda place: matches[place][0] if place in matches else len(known_personas),
    )
    return [
        {
            "fit_id": fit_id,
            "segmentation": name,
            "specification_hash": own_hash,
            "data_hash": own_data_hash,
            "fit_number": 1 + int(earlier["fit_number"].max() if len(earlier) else 0),
            "as_of_on": pd.Timestamp(as_of_on),
            "outcome": clusters.outcome,
            "requested_k": int(specification["k"]),
            "segment_id": segment_id,
            "feature": feature,
            "feature_position": position + 1,
            "transform": str(specification["features"][position]["transform"]),
            "fill_value": standardised.fill_values[position],
            "shift": standardised.shifts[position],
            "scale": standardised.scales[position],
            "centre": float(clusters.centres[cluster, position]),
            "training_count": clusters.counts[cluster],
            "entity_count": len(entity_ids),
            "inertia": clusters.inertia,
            "random_seed": random_seed,
        }
        for segment_id, cluster in enumerate((order[place] for place in places), start=1)
        for position, feature in enumerate(features)
    ]


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
    order = sorted(range(len(entity_ids)), key=entity_ids.__getitem__)
    ordered_ids = [entity_ids[row] for row in order]
    for first, second in itertools.pairwise(ordered_ids):
        if first == second:
            raise ValueError(f"Inputs of segmentation '{name}' hold the entity '{first}' twice.")
    values = rows[columns].to_numpy(dtype="float64", na_value=np.nan)[order]
    return ordered_ids, np.where(np.isfinite(values), values, np.nan)


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


def form_clusters(values: Floats, k: int, random_seed: int) -> Clusters:
    """Return k clusters, or a single one if there are not enough distinct rows for k.

    Args:
        values: entities by features, standardised.
        k: how many clusters are asked for.
        random_seed: seed of the k-means starts.
    """
    distinct_count = len(pd.DataFrame(values).drop_duplicates())
    if len(values) == 1:
        return _single_cluster(values, TOO_FEW_ENTITIES)
    if distinct_count == 1:
        return _single_cluster(values, ALL_EQUAL)
    if distinct_count < k:
        return _single_cluster(values, TOO_FEW_ENTITIES)
    model = KMeans(n_clusters=k, n_init=START_COUNT, random_state=random_seed, algorithm="lloyd")
    with warnings.catch_warnings():
        # Rows that differ by rounding alone can leave fewer than k clusters; see below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(values).labels_
    counts = [int(count) for count in np.bincount(labels, minlength=k)]
    if min(counts) == 0:
        return _single_cluster(values, TOO_FEW_ENTITIES)
    return Clusters(FITTED, model.cluster_centers_, counts, float(model.inertia_))


def _single_cluster(values: Floats, outcome: str) -> Clusters:
    centre = values.mean(axis=0)
    inertia = float(((values - centre) ** 2).sum())
    return Clusters(outcome, centre[np.newaxis, :], [len(values)], inertia)


def _canonical_order(clusters: Clusters) -> list[int]:
    """Return the clusters' positions, the largest first, then by centre."""
    centres = np.round(clusters.centres, CENTRE_DECIMALS) + 0.0
    return sorted(
        range(len(clusters.counts)),
        key=lambda cluster: (-clusters.counts[cluster], centres[cluster].tolist()),
    )
