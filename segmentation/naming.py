"""Names segments: by an agreed persona where one fits, else by what sets the segment apart."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from segmentation.fit import ALL_EQUAL, FITTED
from segmentation.frames import SEGMENT_NAMES, conform
from segmentation.personas import Floats, Persona, match_personas, read_personas

# A centre this far from the mean, in standard deviations, is a small but visible difference
# (Cohen 1988); less is called average.
DISTINCTIVE = 0.2

# A centre nearer to the mean differs by rounding alone.
NO_DIFFERENCE = 1e-6

NAMED_FEATURE_COUNT = 2

# A segment's distinctive features with their centres, the most distinctive first.
Differences = Sequence[tuple[str, float]]


def name_segments(
    fits: pd.DataFrame,
    personas: pd.DataFrame,
    *,
    minimum_match: float,
    feature_labels: Mapping[str, str] | None = None,
    grain: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Name every segment of the current fits.

    A segment takes the name and description of the persona it is matched with (see
    `match_personas`) if the two are at least as similar as `minimum_match`. Any other segment
    is named by the two features in which it differs most from the population, such as "High
    withdrawal amount, low loyalty score"; by more of them where two names would be the same, and
    at last by a number. Only differences of 0.2 standard deviations or more are named; a segment
    without any is called average. A single segment is called what it is: all customers.

    Args:
        fits: one fit per segmentation, one row per segment and feature, with the columns
            segmentation, segment_id, feature, centre (in standard deviations from the mean),
            outcome, training_count, and, if known, requested_k and fit_id.
        personas: one row per segmentation, persona and feature (see `read_personas`); those of
            segmentations without a fit are ignored.
        minimum_match: the smallest similarity at which a persona counts, above 0 and at most 1.
            A persona with one feature is similar by 1 or -1 to every segment: it should name
            several.
        feature_labels: feature to the words used in names; the feature's own name otherwise,
            without what a specification puts before it (attribute:, holds:).
        grain: segmentation to what it groups, in the singular, such as 'card_account'; 'customer'
            otherwise.

    Returns:
        One row per segmentation and segment, ordered by both, with the columns and dtypes of
        `frames.SEGMENT_NAMES`, also if there are none. name_source is 'persona', 'descriptive',
        or 'single'; persona, persona_match (cosine similarity), agreed_by and agreed_on are null
        unless it is 'persona'. Names are unique within a segmentation.

    Raises:
        ValueError: `minimum_match` is out of range; `fits` holds two fits of a segmentation or
            lacks a centre; a persona is malformed.
    """
    if not 0 < minimum_match <= 1:
        raise ValueError(f"minimum_match is above 0 and at most 1, not {minimum_match}.")
    rows: list[dict[str, object]] = []
    for segmentation, fit in () if fits.empty else fits.groupby("segmentation", sort=True):
        entity = (grain or {}).get(str(segmentation), "customer").replace("_", " ")
        named = _name_fit(
            str(segmentation), fit, personas, minimum_match, feature_labels or {}, entity
        )
        fit_id = fit["fit_id"].iloc[0] if "fit_id" in fit.columns else None
        rows += [row | {"fit_id": fit_id} for row in named]
    return conform(pd.DataFrame(rows), SEGMENT_NAMES)


def _name_fit(
    segmentation: str,
    fit: pd.DataFrame,
    personas: pd.DataFrame,
    minimum_match: float,
    feature_labels: Mapping[str, str],
    entity: str,
) -> list[dict[str, object]]:
    features, segment_ids, centres = _centres(segmentation, fit)
    known_personas = read_personas(personas, segmentation, features)
    # The centre of a single segment is the mean of all.
    if set(fit["outcome"]) != {FITTED} or (
        len(centres) == 1 and abs(centres).max() < NO_DIFFERENCE
    ):
        description = _single_description(fit, entity)
        return [
            _row(segmentation, segment_id, f"All {entity}s", description, "single")
            for segment_id in segment_ids
        ]

    matches = match_personas(centres, features, known_personas, minimum_match)
    labels = feature_words(features, feature_labels)
    differences = [_differences(labels, centre) for centre in centres]
    taken = {known_personas[position].name for position, _ in matches.values()}
    unmatched = [row for row in range(len(segment_ids)) if row not in matches]
    names = _distinct_names([differences[row] for row in unmatched], taken, entity)
    name_of = dict(zip(unmatched, names, strict=True))

    rows = []
    for row, segment_id in enumerate(segment_ids):
        description = _difference_description(differences[row], entity)
        if row in matches:
            position, similarity = matches[row]
            persona = known_personas[position]
            rows.append(_persona_row(segmentation, segment_id, persona, similarity, description))
        else:
            name = name_of[row]
            rows.append(_row(segmentation, segment_id, name, description, "descriptive"))
    return rows


def _centres(segmentation: str, fit: pd.DataFrame) -> tuple[list[str], list[int], Floats]:
    """Return features, segment ids (sorted), and the centres, segments by features."""
    features = [str(feature) for feature in fit["feature"].unique()]
    if fit.duplicated(["segment_id", "feature"]).any():
        raise ValueError(
            f"Segmentation '{segmentation}' has more than one centre for a segment and feature: "
            "hand in its current fit alone."
        )
    table = fit.pivot(index="segment_id", columns="feature", values="centre")[features]
    if table.isna().any(axis=None):
        raise ValueError(f"Segmentation '{segmentation}' lacks the centre of a feature.")
    return features, [int(segment) for segment in table.index], table.to_numpy(dtype="float64")


def feature_words(features: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Return the words for each feature; `attribute:` and `holds:` say where it is from.

    They are left out unless two features would then have the same words.
    """
    plain = [
        known.get(feature, feature.split(":", 1)[-1].replace("_", " ")) for feature in features
    ]
    uses = Counter(plain)
    return [
        label if uses[label] == 1 else known.get(feature, feature.replace("_", " "))
        for feature, label in zip(features, plain, strict=True)
    ]


def _differences(labels: Sequence[str], centre: Floats) -> Differences:
    """Return the labels and centres of the distinctive features, the most distinctive first."""
    distinctive = [
        (label, float(value))
        for label, value in zip(labels, centre, strict=True)
        if abs(value) >= DISTINCTIVE
    ]
    # Rounded, so that the last bits of a centre do not decide the order of two features.
    return sorted(distinctive, key=lambda difference: (-round(abs(difference[1]), 9), difference))


def _distinct_names(segments: Sequence[Differences], taken: set[str], entity: str) -> list[str]:
    """Return one descriptive name per segment, distinct from each other and from `taken`."""
    counts = [min(NAMED_FEATURE_COUNT, len(differences)) for differences in segments]
    while True:
        names = [
            _descriptive_name(differences[:count], entity)
            for differences, count in zip(segments, counts, strict=True)
        ]
        uses = Counter([*names, *taken])
        extendable = [
            row
            for row, name in enumerate(names)
            if uses[name] > 1 and counts[row] < len(segments[row])
        ]
        if not extendable:
            break
        for row in extendable:
            counts[row] += 1

    given = set(taken)
    result = []
    for name in names:
        distinct, number = name, 1
        while distinct in given:
            number += 1
            distinct = f"{name} ({number})"
        given.add(distinct)
        result.append(distinct)
    return result


def _descriptive_name(differences: Differences, entity: str) -> str:
    if not differences:
        return f"Average {entity}s"
    parts = [f"{'high' if centre > 0 else 'low'} {label}" for label, centre in differences]
    name = ", ".join(parts)
    return name[0].upper() + name[1:]


def _difference_description(differences: Differences, entity: str) -> str:
    if not differences:
        return f"No feature is {DISTINCTIVE} standard deviations or more from the average {entity}."
    parts = [
        f"{label} {abs(centre):.1f} {'higher' if centre > 0 else 'lower'}"
        for label, centre in differences[:NAMED_FEATURE_COUNT]
    ]
    return f"Against the average {entity}, in standard deviations: {', '.join(parts)}."


def _single_description(fit: pd.DataFrame, entity: str) -> str:
    count = int(fit["training_count"].iloc[0])
    counted = f"{count} {entity}{'' if count == 1 else 's'}"
    if set(fit["outcome"]) == {ALL_EQUAL}:
        return f"One group of {counted}: all are equal in every feature."
    if set(fit["outcome"]) == {FITTED}:
        return f"One group of {counted}, not divided further."
    wanted = f"{fit['requested_k'].iloc[0]} groups" if "requested_k" in fit.columns else "groups"
    return f"One group of {counted}: too few that differ to form {wanted}."


def _persona_row(
    segmentation: str, segment_id: int, persona: Persona, similarity: float, description: str
) -> dict[str, object]:
    row = _row(
        segmentation, segment_id, persona.name, persona.description or description, "persona"
    )
    return row | {
        "persona": persona.name,
        "persona_match": similarity,
        "agreed_by": persona.agreed_by,
        "agreed_on": persona.agreed_on,
    }


def _row(
    segmentation: str, segment_id: int, name: str, description: str, source: str
) -> dict[str, object]:
    return {
        "segmentation": segmentation,
        "segment_id": segment_id,
        "segment_name": name,
        "segment_description": description,
        "persona": None,
        "persona_match": None,
        "name_source": source,
        "agreed_by": None,
        "agreed_on": None,
    }
