"""Personas, the kinds of customer that people agreed to look for, and their match to segments."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.float64]

# Similarities are compared as rounded, so that the last bits of a centre decide nothing.
SIMILARITY_DECIMALS = 12


@dataclass(frozen=True)
class Persona:
    """One persona of one segmentation; `directions` is feature to expected direction, -1 to 1."""

    name: str
    description: str | None
    directions: dict[str, float]
    agreed_by: str | None
    agreed_on: pd.Timestamp | None


def read_personas(
    personas: pd.DataFrame, segmentation: str, features: Sequence[str]
) -> list[Persona]:
    """Return the personas of one segmentation, in order of their first row.

    Args:
        personas: one row per segmentation, persona and feature, with the columns segmentation,
            persona, description, feature, direction (-1 to 1, 0 meaning "as the average"),
            agreed_by, agreed_on, in the order of seeds/personas.csv. The first text and date that
            a persona's rows state count.
        segmentation: the segmentation whose personas are read; rows of others are ignored.
        features: the features this segmentation has.

    Raises:
        ValueError: a persona names a feature the segmentation does not have, names one twice, or
            has a direction that is no number from -1 to 1.
    """
    if personas.empty:
        return []
    result = []
    numbered = personas.assign(row=range(1, len(personas) + 1))
    rows = numbered[numbered["segmentation"] == segmentation]
    for name, own in rows.groupby("persona", sort=False):
        directions: dict[str, float] = {}
        numbers = pd.to_numeric(own["direction"], errors="coerce")
        for row, feature, direction in zip(own["row"], own["feature"], numbers, strict=True):
            about = f"seeds/personas.csv, row {row}: persona '{name}' of segmentation "
            about += f"'{segmentation}'"
            if feature not in features:
                raise ValueError(
                    f"{about} names the feature '{feature}'; its features are "
                    f"{', '.join(features)}."
                )
            if feature in directions:
                raise ValueError(f"{about} names the feature '{feature}' more than once.")
            if not -1 <= direction <= 1:
                raise ValueError(
                    f"{about} gives the feature '{feature}' a direction that is not a number from "
                    "-1 to 1."
                )
            directions[feature] = float(direction)
        agreed_on = _first(own["agreed_on"])
        result.append(
            Persona(
                name=str(name),
                description=_text(_first(own["description"])),
                directions=directions,
                agreed_by=_text(_first(own["agreed_by"])),
                agreed_on=None if agreed_on is None else pd.Timestamp(str(agreed_on)),
            )
        )
    return result


def cosine_similarity(first: Floats, second: Floats) -> float:
    """Return the cosine of the angle between two vectors of one length; 0 if either is zero."""
    lengths = math.sqrt(float(first @ first)) * math.sqrt(float(second @ second))
    if lengths == 0:
        return 0.0
    return round(float(first @ second) / lengths, SIMILARITY_DECIMALS)


def match_personas(
    centres: Floats,
    features: Sequence[str],
    personas: Sequence[Persona],
    minimum_match: float,
) -> dict[int, tuple[int, float]]:
    """Match segments and personas one to one, as similar in total as they can be.

    The similarity of a segment and a persona is the cosine similarity of the segment's centre
    and the persona's directions over the features the persona names, those named with 0
    included. Of all one to one assignments the one with the largest total similarity is taken
    (the linear assignment problem: Kuhn 1955; scipy's solver follows Crouse 2016); a pair in it
    that is less similar than `minimum_match` is then dropped, and the other pairs stay.

    Args:
        centres: segments by features, in standard deviations from the population's mean.
        features: the names of the columns of `centres`.
        personas: as `read_personas` returns them.
        minimum_match: the smallest similarity, from -1 to 1, at which a pair counts.

    Returns:
        Position of the segment to the position of its persona and their similarity, for the
        segments that have one.
    """
    position = {feature: column for column, feature in enumerate(features)}
    similarities = np.zeros((len(centres), len(personas)), dtype=np.float64)
    for column, persona in enumerate(personas):
        named = [position[feature] for feature in persona.directions]
        direction = np.array(list(persona.directions.values()), dtype=np.float64)
        for row, centre in enumerate(centres):
            similarities[row, column] = cosine_similarity(centre[named], direction)
    pairs = zip(*linear_sum_assignment(similarities, maximize=True), strict=True)
    return {
        int(row): (int(column), float(similarities[row, column]))
        for row, column in pairs
        if similarities[row, column] >= minimum_match
    }


def _first(values: Iterable[object]) -> object:
    return next((value for value in values if not pd.isna(value)), None)  # type: ignore[call-overload]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
