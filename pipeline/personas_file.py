"""Reads the personas before a build, so that a wrong row stops it before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.csv_files import UnreadableFile
from pipeline.sentences import one_line
from segmentation.personas import read_personas

COLUMNS = ("segmentation", "persona", "description", "feature", "direction")


def check(path: Path, features: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Refuse a persona that names what is no feature of its segmentation, or a wrong direction.

    `features` holds the names for each segmentation; personas of others are not looked at. Raises
    UnreadableFile with the sentence.
    """
    try:
        personas = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path} cannot be read ({one_line(str(error))}); mend it.") from error
    for column in COLUMNS:
        if column not in personas.columns:
            raise UnreadableFile(f"{path} has no column {column}; put it back.")
    # Who agreed, and when, is nothing a build can go wrong with.
    rows = personas.assign(agreed_by=None, agreed_on=None)
    try:
        for segmentation, names in features.items():
            read_personas(rows, segmentation, names)
    except ValueError as error:
        raise UnreadableFile(str(error)) from error
    return {}
