"""Says for every two segments how far apart they are, and which features keep them apart."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from segmentation.fit import Specification, own_inputs
from segmentation.frames import SEGMENT_SEPARATIONS, conform
from segmentation.naming import feature_words
from segmentation.personas import Floats

# Features below this share of the squared distance are left out of the text.
NAMED_SHARE = 0.05


def segment_separations(
    specifications: Sequence[Specification],
    entities: pd.DataFrame,
    fits: pd.DataFrame,
    *,
    minimum_separation: float,
) -> pd.DataFrame:
    """Compare every two segments of a fit.

    The separation of two segments is the distance of their centres in standard deviations of
    their members along the line between the centres, the members' deviations from their own
    centre pooled over both, each segment counting alike. A mixture of two equal normal groups
    has one peak, not two, if it is at most 2 (Schilling, Watkins and Watkins 2002).

    Two segments are separated only by a feature if its own separation exceeds
    `minimum_separation` and that of all other features together does not: without it nothing
    would hold them apart.

    Args:
        specifications: as for `fit.fit_missing`.
        entities: one row per segmentation and entity: segmentation, entity_id, segment_id,
            value_01, value_02, ..., as the inputs of `fit.fit_missing`.
        fits: the fit in use of each segmentation, as `fit.current_fits` returns them.
        minimum_separation: above 0; 2 where a single peak is meant.

    Returns:
        One row per fit and two segments, the lower id first; columns and dtypes of
        `frames.SEGMENT_SEPARATIONS`.
        - distance: of the centres, in standard deviations over all features.
        - separating_features: those with at least 5 % of the squared distance, the largest
          first, in words with their share.
        - separation: see above; infinite where members differ from each other in nothing that
          sets the segments apart, missing where a segment has no members or centres are equal.
        - separated_only_by: name of the feature, null for most pairs.
        - separation_without: separation without the feature of the largest share; 0 if it is the
          only one that differs.

    Raises:
        ValueError: minimum_separation is not above 0; inputs are malformed.
    """
    if not minimum_separation > 0:
        raise ValueError(f"minimum_separation is {minimum_separation}, but must be above 0.")
    rows: list[dict[str, object]] = []
    for specification in specifications:
        name = str(specification["name"])
        fit = fits[fits["segmentation"] == name]
        if fit["segment_id"].nunique() < 2:
            continue
        features = [str(feature["name"]) for feature in specification["features"]]
        centres = fit.pivot(index="segment_id", columns="feature_position", values="centre")
        spreads = _spreads(fit, centres, entities)
        for first, second in itertools.combinations(centres.index, 2):
            covariance = (spreads[first] + spreads[second]) / 2
            difference = (centres.loc[second] - centres.loc[first]).to_numpy(dtype=np.float64)
            rows.append(
                {
                    "segmentation": name,
                    "fit_id": fit["fit_id"].iloc[0],
                    "segment_id": first,
                    "other_segment_id": second,
                    "distance": math.sqrt(float(difference @ difference)),
                }
                | _separated(features, difference, covariance, minimum_separation)
            )
    return conform(pd.DataFrame(rows), SEGMENT_SEPARATIONS)


def _spreads(fit: pd.DataFrame, centres: pd.DataFrame, entities: pd.DataFrame) -> dict[int, Floats]:
    """Return, by segment, the mean products of its members' deviations from their centre."""
    feature = fit.drop_duplicates("feature_position").sort_values("feature_position")
    segmentation = str(fit["segmentation"].iloc[0])
    entity_ids, values = own_inputs(entities, segmentation, len(feature))
    filled = np.where(np.isnan(values), feature["fill_value"].to_numpy(), values)
    standardised = (filled - feature["shift"].to_numpy()) / feature["scale"].to_numpy()
    own = entities[entities["segmentation"] == segmentation].set_index("entity_id")
    segment_of = own["segment_id"].reindex(entity_ids).to_numpy()
    result = {}
    for segment_id, centre in zip(centres.index, centres.to_numpy(dtype=np.float64), strict=True):
        deviations = standardised[segment_of == segment_id] - centre
        # 0 / 0 where a segment has no members now.
        with np.errstate(invalid="ignore"):
            result[int(segment_id)] = deviations.T @ deviations / np.float64(len(deviations))
    return result


def _separated(
    features: Sequence[str], difference: Floats, covariance: Floats, minimum_separation: float
) -> dict[str, object]:
    squares = float(difference @ difference)
    # Rounded, so that last bits do not decide the order.
    shares = [round(float(one) ** 2 / squares, 9) if squares else 0.0 for one in difference]
    order = sorted(range(len(features)), key=lambda place: (-shares[place], place))
    words = feature_words(features, {})
    separation = _separation(difference, covariance)
    first = order[0]
    others = np.arange(len(features)) != first
    without = _separation(difference[others], covariance[np.ix_(others, others)])
    alone = _separation(difference[~others], covariance[np.ix_(~others, ~others)])
    return {
        "separating_features": ", ".join(
            f"{words[place]} {100 * shares[place]:.0f} %"
            for place in order
            if shares[place] >= NAMED_SHARE
        ),
        "separation": separation,
        "separated_only_by": (features[first] if alone > minimum_separation >= without else None),
        "separation_without": without,
    }


def _separation(difference: Floats, covariance: Floats) -> float:
    squared = float(difference @ difference)
    spread = float(difference @ covariance @ difference)
    if squared == 0 or math.isnan(spread):
        return 0.0 if squared == 0 else math.nan
    return squared / math.sqrt(spread) if spread > 0 else math.inf
