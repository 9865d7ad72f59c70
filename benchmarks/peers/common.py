"""What the three scripts share: the task, its clock, and the k-means of a matrix.

Nothing here reads a file or groups a row; that is what the scripts are compared in.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans  # type: ignore[import-untyped]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The vars window_days, as_of_day_share and minimum_marketing_age of dbt_project.yml.
WINDOW_DAYS = 365
ORDINARY_DAY_SHARE = 0.01
ADULT_AGE = 18
OLDEST_AGE = 120
# Channels where opens exist, as seeds/channels.csv has them.
OPENABLE = ("email", "push", "in_app")

SEGMENTS = 4
STARTS = 10
SEED = 20260630
SAMPLE_ROWS = 50_000

# The segmentation `behaviour`: each feature with its transform and what stands for a missing value.
FEATURES = {
    "monthly_income": ("log1p", "median"),
    "account_balance": ("asinh", "median"),
    "loyalty_score": ("none", "median"),
    "transaction_count": ("log1p", "zero"),
    "deposit_amount": ("log1p", "zero"),
    "withdrawal_amount": ("log1p", "zero"),
    "digital_session_count": ("log1p", "zero"),
    "product_count": ("none", "zero"),
}


@dataclass(frozen=True)
class Task:
    """A script's raw files, the folder for its marts, and the centres to compare marts under."""

    data: Path
    out: Path
    centres: Path | None

    @classmethod
    def from_arguments(cls, description: str | None) -> Task:
        """Read the command line and make the folder."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("data", type=Path, help="folder of raw Parquet files")
        parser.add_argument("out", type=Path, help="folder for the marts")
        parser.add_argument("--centres", type=Path, help="assign by this fit; the own is made too")
        options = parser.parse_args()
        options.out.mkdir(parents=True, exist_ok=True)
        return cls(options.data, options.out, options.centres)

    def parts(self, entity: str) -> str:
        """The pattern of an entity's Parquet files, which may be one or a folder of parts."""
        folder = self.data / entity
        return str(folder / "*.parquet" if folder.is_dir() else folder.with_suffix(".parquet"))


@dataclass
class Clock:
    """Seconds and rows of each stage, written beside the marts."""

    stages: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a block; it says its `rows` in what it is given."""
        entry: dict[str, Any] = {"stage": name, "rows": None}
        started = time.perf_counter()
        yield entry
        entry["seconds"] = time.perf_counter() - started
        self.stages.append(entry)

    def write(self, out: Path) -> None:
        """Write stages.json."""
        (out / "stages.json").write_text(json.dumps(self.stages, indent=1) + "\n")


@dataclass(frozen=True)
class Fit:
    """Segments' ids and centres (segments by features, standardised) and how to standardise."""

    segment_ids: Ints
    fills: Floats
    shifts: Floats
    scales: Floats
    centres: Floats

    @classmethod
    def from_json(cls, path: Path) -> Fit:
        """Read what `write` wrote."""
        told = json.loads(path.read_text())
        ids = np.array(told.pop("segment_ids"), dtype=np.int64)
        return cls(ids, **{name: np.array(values) for name, values in told.items()})

    def write(self, path: Path) -> None:
        """Write the numbers as JSON."""
        path.write_text(json.dumps({name: array.tolist() for name, array in vars(self).items()}))

    def standardised(self, transformed: Floats) -> Floats:
        """Missing values filled, in standard deviations from the mean."""
        filled = np.where(np.isnan(transformed), self.fills, transformed)
        result: Floats = (filled - self.shifts) / self.scales
        return result


def transformed(features: Mapping[str, Floats]) -> Floats:
    """Customers by features, each in the units k-means sees; NaN where missing."""
    functions: dict[str, Callable[[Floats], Floats]] = {
        "none": np.asarray,
        "log1p": np.log1p,
        "asinh": np.arcsinh,
    }
    columns = [functions[FEATURES[name][0]](features[name]) for name in FEATURES]
    return np.column_stack(columns)


def fit_segments(values: Floats, sample: bool = False) -> Fit:
    """Standardise and run k-means with ten starts, on all rows or on a sample and then on all.

    Args:
        values: customers by features, from `transformed`.
        sample: try the starts on 50,000 rows, and go on from the best with all of them.
    """
    rules = [rule for _, rule in FEATURES.values()]
    fills = np.array(
        [np.nanmedian(values[:, i]) if rule == "median" else 0.0 for i, rule in enumerate(rules)]
    )
    filled = np.where(np.isnan(values), fills, values)
    shifts, scales = filled.mean(axis=0), filled.std(axis=0)
    standardised = (filled - shifts) / np.where(scales > 0, scales, 1.0)
    if sample and len(values) > SAMPLE_ROWS:
        rows = np.random.default_rng(SEED).choice(len(values), SAMPLE_ROWS, replace=False)
        started = KMeans(SEGMENTS, n_init=STARTS, random_state=SEED).fit(standardised[rows])
        model = KMeans(SEGMENTS, init=started.cluster_centers_, n_init=1).fit(standardised)
    else:
        model = KMeans(SEGMENTS, n_init=STARTS, random_state=SEED).fit(standardised)
    ids = np.arange(1, SEGMENTS + 1)
    return Fit(ids, fills, shifts, np.where(scales > 0, scales, 1.0), model.cluster_centers_)


def assign(values: Floats, fit: Fit) -> tuple[Ints, Floats, Floats]:
    """Segment, distance to its centre and to the second nearest, of every row."""
    standardised = fit.standardised(values)
    distances = np.column_stack(
        [np.sqrt(((standardised - centre) ** 2).sum(axis=1)) for centre in fit.centres]
    )
    nearest = distances.argmin(axis=1)
    two = np.partition(distances, 1, axis=1)[:, :2]
    return fit.segment_ids[nearest], two[:, 0], two[:, 1]


def placed(task: Task, features: Mapping[str, Floats], sample: bool = False) -> dict[str, Any]:
    """The columns of segment_members besides the customer.

    `own_segment` is that of the script's own fit; the others are of the fit in `--centres`, or of
    the own one where none is given.
    """
    values = transformed(features)
    fit = fit_segments(values, sample)
    fit.write(task.out / "own_fit.json")
    own_segment = segment, distance, second = assign(values, fit)
    if task.centres:
        segment, distance, second = assign(values, Fit.from_json(task.centres))
    return {
        "segment_id": segment,
        "distance": distance,
        "second_distance": second,
        "assignment_margin": (second - distance) / second,
        "own_segment": own_segment[0],
    }
