"""Fits in use as JSON, one file a segmentation, for scoring one customer without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from segmentation.scoring import FIT_FORMAT

FITS_FOLDER = "fits"


def fits_in_use(build: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Segmentation to its fit in use, as `segmentation.load_fit` reads it.

    `build` has the build file as the catalog `warehouse`. Segmentations handed in as labels have
    none.
    """
    features = _rows(
        build,
        """
        select distinct
            fits.segmentation, fits.feature_position, fits.feature as name, fits.transform,
            described.missing_rule, fits.fill_value, fits.shift, fits.scale,
            described.value_numbers as "values", described.is_changeable, described.is_whole,
            described.lowest_value, described.highest_value
        from warehouse.segments.current_fits as fits
        inner join warehouse.segments.scored_features as described
            on fits.segmentation = described.segmentation and fits.feature = described.feature
        order by fits.segmentation, fits.feature_position
        """,
    )
    segments = _rows(
        build,
        """
        select
            fits.segmentation, fits.segment_id, names.segment_name,
            list(fits.centre order by fits.feature_position) as centre
        from warehouse.segments.current_fits as fits
        inner join warehouse.segments.segment_names as names
            on fits.segmentation = names.segmentation and fits.fit_id = names.fit_id
            and fits.segment_id = names.segment_id
        group by fits.segmentation, fits.segment_id, names.segment_name
        order by fits.segmentation, fits.segment_id
        """,
    )
    about = _rows(
        build,
        """
        select distinct
            fits.segmentation, described.grain, described.grain_key, fits.fit_id,
            strftime(fits.as_of_on, '%Y-%m-%d') as as_of_on, info.project_version
        from warehouse.segments.current_fits as fits
        inner join warehouse.segments.scored_features as described
            on fits.segmentation = described.segmentation
        cross join warehouse.health.build_info as info
        order by fits.segmentation
        """,
    )
    for feature in features:
        del feature["feature_position"]
        feature["values"] = _texts_to_numbers(feature["values"])
    return {
        fit["segmentation"]: {
            "format": FIT_FORMAT,
            **fit,
            "features": _of(fit["segmentation"], features),
            "segments": _of(fit["segmentation"], segments),
        }
        for fit in about
    }


def write_fits(build: duckdb.DuckDBPyConnection, folder: Path) -> list[Path]:
    """Write `folder`/<segmentation>.json for every fit in use; returns the files."""
    folder.mkdir()
    files = []
    for name, fit in fits_in_use(build).items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(fit, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        files.append(path)
    return files


def _rows(build: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = build.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _of(segmentation: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key != "segmentation"}
        for row in rows
        if row["segmentation"] == segmentation
    ]


def _texts_to_numbers(numbers: str | None) -> dict[str, float] | None:
    """The mapping of a specification as SQL reads it: texts in lower case, the first one counts."""
    if numbers is None:
        return None
    mapping: dict[str, float] = {}
    for text, number in json.loads(numbers).items():
        mapping.setdefault(str(text).lower(), float(number))
    return mapping
