"""Columns and dtypes of the frames the library hands back, the same with and without rows."""

from collections.abc import Mapping

import pandas as pd

FITS: Mapping[str, str] = {
    "fit_id": "str",
    "segmentation": "str",
    "specification_hash": "str",
    "data_hash": "str",
    "fit_number": "int64",
    "as_of_on": "datetime64[us]",
    "outcome": "str",
    "requested_k": "int64",
    "segment_id": "int64",
    "feature": "str",
    "feature_position": "int64",
    "transform": "str",
    "fill_value": "float64",
    "shift": "float64",
    "scale": "float64",
    "centre": "float64",
    "training_count": "int64",
    "entity_count": "int64",
    "inertia": "float64",
    "random_seed": "int64",
}

SEGMENT_NAMES: Mapping[str, str] = {
    "segmentation": "str",
    "fit_id": "str",
    "segment_id": "int64",
    "segment_name": "str",
    "segment_description": "str",
    "persona": "str",
    "persona_match": "float64",
    "name_source": "str",
    "agreed_by": "str",
    "agreed_on": "datetime64[us]",
}


def conform(frame: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Return `frame` with exactly the columns and dtypes of `dtypes`, in that order.

    A frame without rows may lack columns: what a database infers from an empty column of type
    object depends on luck, so every column is created with its dtype.

    Args:
        frame: any number of rows; columns beyond those of `dtypes` are dropped.
        dtypes: column name to pandas dtype.

    Returns:
        A new frame, as many rows as `frame`, index 0, 1, ...

    Raises:
        ValueError: `frame` has rows but not all of the columns.
    """
    missing = [column for column in dtypes if column not in frame.columns]
    if missing and len(frame):
        raise ValueError(f"The frame lacks the columns {', '.join(missing)}.")
    return frame.reindex(columns=list(dtypes)).reset_index(drop=True).astype(dict(dtypes))
